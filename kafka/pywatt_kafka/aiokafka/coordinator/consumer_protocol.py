"""Asks brokers whether they serve the group protocol `consumer` (KIP-848). Imports aiokafka.

That they list its request says little: Kafka 3.9 lists version 0, and later ones answer UNSUPPORTED_VERSION while the
protocol is off, as after an upgrade whose feature `group.version` is not raised yet.
"""

from __future__ import annotations

from typing import Any

from aiokafka.protocol.api import Request, RequestStruct, Response
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Schema, TaggedFields

CONSUMER_GROUP_HEARTBEAT = 68
FIRST_VERSION = 1
"""The first that librdkafka speaks (Kafka 4.0)."""
UNSUPPORTED_VERSION = 35
JOIN = 0
"""The epoch of a member that joins."""
NO_TIMEOUT = -1

_TEXT = CompactString("utf-8")
_TAGS = ("tags", TaggedFields)
_response: Any = Response  # whose types say that each of its attributes is a property


class ConsumerGroupHeartbeatResponseV1(_response):  # type: ignore[misc]
    """The beginning of the answer."""

    API_KEY = CONSUMER_GROUP_HEARTBEAT
    API_VERSION = FIRST_VERSION
    SCHEMA = Schema(("throttle_time_ms", Int32), ("error_code", Int16))


class ConsumerGroupHeartbeatRequestV1(RequestStruct):  # type: ignore[misc]
    """A heartbeat without partitions."""

    API_KEY = CONSUMER_GROUP_HEARTBEAT
    API_VERSION = FIRST_VERSION
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = ConsumerGroupHeartbeatResponseV1
    SCHEMA = Schema(
        ("group", _TEXT),
        ("member_id", _TEXT),
        ("member_epoch", Int32),
        ("instance_id", _TEXT),
        ("rack_id", _TEXT),
        ("rebalance_timeout_ms", Int32),
        ("topics", CompactArray(_TEXT)),
        ("topic_regex", _TEXT),
        ("assignor", _TEXT),
        ("topic_partitions", CompactArray(Int32)),
        _TAGS,
    )


class NamelessHeartbeat(Request[ConsumerGroupHeartbeatRequestV1]):  # type: ignore[misc]
    """A heartbeat without a member id, which no broker accepts: it changes nothing."""

    API_KEY = CONSUMER_GROUP_HEARTBEAT

    def __init__(self, group: str) -> None:
        self._group = group

    def build(self, request_struct_class: Any) -> Any:
        return request_struct_class(self._group, "", JOIN, None, None, NO_TIMEOUT, None, None, None, None, {})


async def serves(connection: Any, group: str) -> bool:
    """Return whether the broker of a connection serves the protocol. Raises aiokafka's errors."""
    _, newest = connection._versions.get(CONSUMER_GROUP_HEARTBEAT, (0, 0))
    if newest < FIRST_VERSION:
        return False
    answer = await connection.send(NamelessHeartbeat(group))
    return int(answer.error_code) != UNSUPPORTED_VERSION
