"""Policy for records whose key or value cannot be deserialized: fail, skip, or write them to a dead-letter topic."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias, get_args

OnBadValue: TypeAlias = Literal["fail", "skip", "dlq"]
"""`fail` raises SerializationFailed, `skip` reads on behind the record, `dlq` does so once it is a dead letter."""

DLQ_SUFFIX = "-dlq"


@dataclass(frozen=True, slots=True)
class BadValuePolicy:
    """Decides on records that cannot be deserialized; pure."""

    on_bad_value: OnBadValue = "fail"
    dlq: str | None = None
    """The topic of dead letters; None: the record's topic with DLQ_SUFFIX."""

    def __post_init__(self) -> None:
        """Raise ValueError for a combination that has no meaning."""
        if self.on_bad_value not in get_args(OnBadValue):
            raise ValueError(f"on_bad_value is {self.on_bad_value!r}; it must be 'fail', 'skip' or 'dlq'")
        if self.dlq == "":
            raise ValueError("dlq is empty; name a topic, or leave it out")

    @property
    def raises(self) -> bool:
        """Return whether the reader gets the error; else it reads on behind the record."""
        return self.on_bad_value == "fail"

    def dead_letter_topic(self, topic: str) -> str | None:
        """Return the topic to write a bad record of `topic` to before it is passed; None: it is not written."""
        if self.on_bad_value != "dlq":
            return None
        return self.dlq or f"{topic}{DLQ_SUFFIX}"
