"""Records as CloudEvents 1.0 in HTTP's binary mode: attributes are headers, the body is the record's value.

A record that is a CloudEvent already (Kafka's binary mode: headers `ce_<attribute>`) keeps its attributes; the others
get them from where they are in Kafka.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime

from pywatt_kafka.records import Message
from pywatt_services.kafka_hooks.wire.headers import LONGEST_VALUE

PREFIX = "ce_"
LONGEST_ATTRIBUTE = LONGEST_VALUE // 3  # bytes: each may become three
_UNSAFE = re.compile(rb"[^\x21\x23\x24\x26-\x7e]")
_NAME = re.compile(r"[a-z0-9]{1,40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudEventOptions:
    """Attributes of an event that Kafka does not know."""

    type: str = "kafka.record"
    source: str | None = None
    """None: `/topics/<topic>`."""


def event_headers(message: Message, id_: bytes, options: CloudEventOptions) -> list[tuple[bytes, bytes]]:
    """Return the headers that make a request an event."""
    source = options.source or f"/topics/{message.topic}"
    attributes: dict[str, bytes] = {
        "specversion": b"1.0",
        "id": id_,
        "type": options.type.encode(),
        "source": source.encode(),
        "time": _time(message.timestamp),
    }
    if message.key is not None and _is_text(message.key):
        attributes["partitionkey"] = message.key
    for name, value in message.headers:
        attribute = name.lower().removeprefix(PREFIX)
        if attribute != name.lower() and value is not None and _is_text(value) and _NAME.fullmatch(attribute):
            attributes[attribute] = value
    return [
        (f"ce-{name}".encode(), _UNSAFE.sub(_percent, value))
        for name, value in attributes.items()
        if value and len(value) <= LONGEST_ATTRIBUTE
    ]


def is_attribute(header: str) -> bool:
    """Tell whether a record's header (lower case) is an attribute of a CloudEvent."""
    return header.startswith((PREFIX, "ce-"))


def _percent(found: re.Match[bytes]) -> bytes:
    """Percent-encode, as section 3.1.3.2 of the HTTP binding says."""
    return b"%%%02X" % found[0][0]


def _is_text(value: bytes) -> bool:
    try:
        value.decode("utf-8")
    except UnicodeDecodeError:
        return False
    return True


def _time(milliseconds: int) -> bytes:
    if milliseconds < 0:
        return b""  # the record has none
    try:
        moment = datetime.fromtimestamp(milliseconds / 1000, UTC)
    except (OverflowError, ValueError, OSError):
        return b""
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z").encode()
