"""Makes static members name themselves in all requests to the group, and notices that one is fenced. Imports aiokafka.

aiokafka sends the instance id only when it joins. To a commit or heartbeat without it, a broker answers "unknown
member" after another member has taken the id; aiokafka then joins again and takes it back, and both read every record,
without end.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import OffsetCommitRequest, OffsetCommitRequest_v3, OffsetCommitResponse_v3
from aiokafka.protocol.group import HeartbeatRequest, HeartbeatRequest_v1, HeartbeatResponse_v1
from aiokafka.protocol.types import Array, Int32, Int64, Schema, String

FENCED_INSTANCE_ID = 82
TEXT = String("utf-8")


class HeartbeatResponseV3(HeartbeatResponse_v1):  # type: ignore[misc]
    API_VERSION = 3


class HeartbeatRequestV3(RequestStruct):  # type: ignore[misc]
    API_KEY = HeartbeatRequest.API_KEY
    API_VERSION = 3
    RESPONSE_TYPE = HeartbeatResponseV3
    SCHEMA = Schema(("group", TEXT), ("generation", Int32), ("member_id", TEXT), ("instance_id", TEXT))


class NamedHeartbeat(Request[HeartbeatRequest_v1 | HeartbeatRequestV3]):  # type: ignore[misc]
    """A heartbeat with the instance id, where the broker takes it (since Kafka 2.3)."""

    API_KEY = HeartbeatRequest.API_KEY

    def __init__(self, plain: Any, instance_id: str) -> None:
        self._plain = plain
        self._instance_id = instance_id

    def build(self, request_struct_class: Any) -> Any:
        plain = self._plain
        if request_struct_class is HeartbeatRequest_v1:
            return plain.build(request_struct_class)
        return HeartbeatRequestV3(plain._group, plain._generation_id, plain._member_id, self._instance_id)


class OffsetCommitResponseV7(OffsetCommitResponse_v3):  # type: ignore[misc]
    API_VERSION = 7


class OffsetCommitRequestV7(RequestStruct):  # type: ignore[misc]
    API_KEY = OffsetCommitRequest.API_KEY
    API_VERSION = 7
    RESPONSE_TYPE = OffsetCommitResponseV7
    SCHEMA = Schema(
        ("group", TEXT),
        ("generation", Int32),
        ("member_id", TEXT),
        ("instance_id", TEXT),
        (
            "topics",
            Array(
                ("topic", TEXT),
                (
                    "partitions",
                    Array(("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", TEXT)),
                ),
            ),
        ),
    )


class NamedOffsetCommit(Request[OffsetCommitRequest_v3 | OffsetCommitRequestV7]):  # type: ignore[misc]
    """A commit with the instance id, where the broker takes it (since Kafka 2.3)."""

    API_KEY = OffsetCommitRequest.API_KEY

    def __init__(self, plain: Any, instance_id: str) -> None:
        self._plain = plain
        self._instance_id = instance_id

    def build(self, request_struct_class: Any) -> Any:
        plain = self._plain
        if request_struct_class is OffsetCommitRequest_v3:
            return plain.build(request_struct_class)
        topics = [
            (topic, [(partition, offset, -1, metadata) for partition, offset, metadata in partitions])
            for topic, partitions in plain._topics
        ]
        generation, member = plain._consumer_group_generation_id, plain._consumer_id
        return OffsetCommitRequestV7(plain._consumer_group, generation, member, self._instance_id, topics)


def name_static_member(coordinator: Any, on_fenced: Callable[[], None]) -> None:
    """Send the instance id with heartbeats and commits too; call `on_fenced` when another member has taken it."""
    send, instance_id = coordinator._send_req, coordinator._group_instance_id

    async def send_named(request: Any) -> Any:
        if isinstance(request, HeartbeatRequest):
            request = NamedHeartbeat(request, instance_id)
        elif isinstance(request, OffsetCommitRequest):
            request = NamedOffsetCommit(request, instance_id)
        response = await send(request)
        if FENCED_INSTANCE_ID in _error_codes(response):
            on_fenced()
        return response

    coordinator._send_req = send_named


def _error_codes(response: Any) -> Iterator[int]:
    yield getattr(response, "error_code", 0)
    for _, partitions in getattr(response, "topics", ()):
        for partition in partitions:
            yield partition[-1]
