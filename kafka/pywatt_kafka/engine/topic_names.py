"""Kafka's rule for the names of topics, and the choice of those that a consumer reads."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable

from pywatt_kafka.errors import UnknownTopic

INTERNAL = "__"
_LEGAL = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z")


def check_topic_name(topic: str) -> None:
    """Raise UnknownTopic for a name that no topic can have: brokers answer it with nothing but retries."""
    if _LEGAL.match(topic) is None:
        raise UnknownTopic(
            f"there is no topic {topic!r}: it is no legal name",
            hint="use 1 to 249 letters, digits, '.', '_' and '-', but not '.' or '..'",
        )


def subscribed(existing: Iterable[str], named: Collection[str], pattern: re.Pattern[str] | None) -> frozenset[str]:
    """Return the existing topics that are named, or that the pattern matches; it matches no internal ones."""
    return frozenset(
        topic
        for topic in existing
        if topic in named or (pattern is not None and not topic.startswith(INTERNAL) and pattern.match(topic))
    )
