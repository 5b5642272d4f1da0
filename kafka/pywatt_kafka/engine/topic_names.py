"""Kafka's rule for the names of topics."""

from __future__ import annotations

import re

from pywatt_kafka.errors import UnknownTopic

_LEGAL = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}\Z")


def check_topic_name(topic: str) -> None:
    """Raise UnknownTopic for a name that no topic can have: brokers answer it with nothing but retries."""
    if _LEGAL.match(topic) is None:
        raise UnknownTopic(
            f"there is no topic {topic!r}: it is no legal name",
            hint="use 1 to 249 letters, digits, '.', '_' and '-', but not '.' or '..'",
        )
