"""Subject strategies: the names under which a registry holds the schemas of a topic."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeAlias, get_args

from pywatt_kafka.serde.protocols import Field

SubjectFunction: TypeAlias = Callable[[str, Field, str | None], str]
SubjectName: TypeAlias = Literal["topic", "record", "topic-record"]
Subject: TypeAlias = SubjectName | SubjectFunction
"""`topic`: orders-value; `record`: the name of the schema's record; `topic-record`: both, joined by a hyphen.

Or a function of topic, field and the record's name.
"""


def subject_strategy(subject: Subject) -> Callable[[Any, str | None], str | None]:
    """Return the strategy as a function for confluent_kafka. Raises ValueError for an unknown name."""
    if callable(subject):
        return lambda context, record: subject(context.topic, context.field, record)
    if subject not in get_args(SubjectName):
        raise ValueError(f"subject is {subject!r}; it must be 'topic', 'record', 'topic-record' or a function")

    def name(context: Any, record: str | None) -> str | None:
        if subject == "topic":
            return f"{context.topic}-{context.field}"
        if record is None or subject == "record":
            return record
        return f"{context.topic}-{record}"

    return name
