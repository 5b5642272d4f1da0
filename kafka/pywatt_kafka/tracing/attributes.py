"""The attributes of messaging spans, in one table: OpenTelemetry's conventions for them still change.

https://opentelemetry.io/docs/specs/semconv/messaging/kafka/
"""

from __future__ import annotations

import enum
from collections.abc import Mapping

OPT_IN = "OTEL_SEMCONV_STABILITY_OPT_IN"
SYSTEM = "messaging.system.name"
OPERATION, OPERATION_TYPE = "messaging.operation.name", "messaging.operation.type"
DESTINATION, PARTITION = "messaging.destination.name", "messaging.destination.partition.id"
GROUP, CLIENT_ID = "messaging.consumer.group.name", "messaging.client.id"
BATCH = "messaging.batch.message_count"
OFFSET, KEY, TOMBSTONE = "kafka.offset", "kafka.message.key", "kafka.message.tombstone"
CLUSTER = "kafka.cluster.id"
SERVER_ADDRESS, SERVER_PORT, ERROR_TYPE = "server.address", "server.port", "error.type"

OLDER_NAMES: Mapping[str, str] = {
    SYSTEM: "messaging.system",
    OFFSET: "messaging.kafka.offset",
    KEY: "messaging.kafka.message.key",
    TOMBSTONE: "messaging.kafka.message.tombstone",
}
"""Names up to version 1.44 of those that have another one since 1.45."""

Value = str | int | bool


class NamingMode(enum.Enum):
    """The names that spans have."""

    OLDER = enum.auto()
    """Up to 1.44: the default."""
    CURRENT = enum.auto()
    """`messaging` in OTEL_SEMCONV_STABILITY_OPT_IN."""
    BOTH = enum.auto()
    """`messaging/dup` there."""


def naming_mode(environ: Mapping[str, str]) -> NamingMode:
    """Return the mode that the variable OTEL_SEMCONV_STABILITY_OPT_IN asks for."""
    asked = {part.strip() for part in environ.get(OPT_IN, "").split(",")}
    if "messaging/dup" in asked:
        return NamingMode.BOTH
    return NamingMode.CURRENT if "messaging" in asked else NamingMode.OLDER


def named(attributes: Mapping[str, Value], mode: NamingMode) -> dict[str, Value]:
    """Return attributes, given by their current names, under the names of a mode."""
    if mode is NamingMode.CURRENT:
        return dict(attributes)
    older = {OLDER_NAMES.get(name, name): value for name, value in attributes.items()}
    return {**attributes, **older} if mode is NamingMode.BOTH else older


def key_attribute(key: bytes | None) -> dict[str, Value]:
    """Return the attribute for a record's key, which is text only: nothing for other keys."""
    if key is None:
        return {}
    try:
        return {KEY: key.decode()}
    except UnicodeDecodeError:
        return {}
