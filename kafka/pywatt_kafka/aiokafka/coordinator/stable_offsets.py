"""Makes aiokafka's groups wait for offsets that a transaction is about to commit. Imports aiokafka.

Without it, a member that takes over partitions reads the offset from before the transaction, and delivers its records
again (KIP-447). And aiokafka overlooks an error that an answer has for all partitions: it would start at the beginning.
"""

from __future__ import annotations

from typing import Any, NamedTuple

from aiokafka import errors
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.commit import (
    OffsetFetchRequest,
    OffsetFetchRequest_v1,
    OffsetFetchRequest_v2,
    OffsetFetchRequest_v3,
    OffsetFetchResponse_v3,
)
from aiokafka.protocol.types import Boolean, CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields

TEXT = CompactString("utf-8")
TAGS = ("tags", TaggedFields)
UNSTABLE_OFFSET_COMMIT = 88


class OffsetFetchResponseV7(OffsetFetchResponse_v3):  # type: ignore[misc]
    API_VERSION = 7
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32),
                        ("offset", Int64),
                        ("leader_epoch", Int32),
                        ("metadata", TEXT),
                        ("error_code", Int16),
                        TAGS,
                    ),
                ),
                TAGS,
            ),
        ),
        ("error_code", Int16),
        TAGS,
    )


class OffsetFetchRequestV7(RequestStruct):  # type: ignore[misc]
    API_KEY = OffsetFetchRequest.API_KEY
    API_VERSION = 7
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = OffsetFetchResponseV7
    SCHEMA = Schema(
        ("group", TEXT),
        ("topics", CompactArray(("topic", TEXT), ("partitions", CompactArray(Int32)), TAGS)),
        ("require_stable", Boolean),
        TAGS,
    )


class StableOffsetFetch(
    Request[OffsetFetchRequest_v1 | OffsetFetchRequest_v2 | OffsetFetchRequest_v3 | OffsetFetchRequestV7]  # type: ignore[misc]
):
    """A request for committed offsets; `stable`: such that no open transaction is about to change (since Kafka 2.5)."""

    API_KEY = OffsetFetchRequest.API_KEY

    def __init__(self, plain: Any, stable: bool) -> None:
        self._plain = plain
        self._stable = stable

    def build(self, request_struct_class: Any) -> Any:
        plain = self._plain
        if request_struct_class is not OffsetFetchRequestV7:
            return plain.build(request_struct_class)
        topics: list[tuple[Any, ...]] = [(topic, partitions, {}) for topic, partitions in plain._partitions]
        return OffsetFetchRequestV7(plain._consumer_group, topics, self._stable, {})


class CommittedOffsets(NamedTuple):
    """The answer as aiokafka reads it."""

    topics: list[tuple[str, list[tuple[int, int, str, int]]]]


def check_committed_offsets(coordinator: Any, *, stable: bool) -> None:
    """Raise the errors of answers with committed offsets; `stable`: wait for transactions that commit some."""
    send = coordinator._send_req

    async def send_stable(request: Any) -> Any:
        if not isinstance(request, OffsetFetchRequest):
            return await send(request)
        response = await send(StableOffsetFetch(request, stable))
        if error_code := getattr(response, "error_code", 0):
            error = errors.for_code(error_code)()
            if isinstance(error, errors.NotCoordinatorForGroupError | errors.GroupCoordinatorNotAvailableError):
                coordinator.coordinator_dead()
            raise error
        if response.API_VERSION != OffsetFetchRequestV7.API_VERSION:
            return response
        topics = [
            (topic, [(number, offset, metadata, code) for number, offset, _, metadata, code, _ in partitions])
            for topic, partitions, _ in response.topics
        ]
        if any(code == UNSTABLE_OFFSET_COMMIT for _, partitions in topics for *_, code in partitions):
            raise errors.for_code(UNSTABLE_OFFSET_COMMIT)
        return CommittedOffsets(topics)

    coordinator._send_req = send_stable
