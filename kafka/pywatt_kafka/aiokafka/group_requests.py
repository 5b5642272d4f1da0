"""Requests about a consumer group that need no member of it, sent with the client of an AIOKafkaConsumer."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any, NamedTuple

from pywatt_kafka.aiokafka.records import native
from pywatt_kafka.records import TopicPartition

FETCH_WAIT = 100  # ms
DEAD = "Dead"
"""State of a group without members and offsets; brokers also say it of groups of another protocol."""


class GroupDescription(NamedTuple):
    """A group as its coordinator describes it."""

    state: str
    members: int


async def find_coordinator(client: Any, group: str) -> int:
    """Return the node that coordinates a group. Raises aiokafka's errors."""
    from aiokafka.protocol.coordination import FindCoordinatorRequest

    response = await client.send(client.get_random_node(), FindCoordinatorRequest(group, 0))
    _raise(response.error_code, f"finding the coordinator of group {group}")
    node: int = response.coordinator_id
    return node


async def committed_offsets(
    client: Any, coordinator: int, group: str, partitions: Collection[TopicPartition] | None
) -> Mapping[TopicPartition, int]:
    """Return committed offsets, of all partitions that have one if `partitions` is None; else -1 for those without one.

    Raises aiokafka's errors, and TypeError if the broker cannot list all.
    """
    from aiokafka.protocol.commit import OffsetFetchRequest

    wanted: dict[str, list[int]] = {}
    for place in partitions or ():
        wanted.setdefault(place.topic, []).append(place.partition)
    request = OffsetFetchRequest(group, None if partitions is None else list(wanted.items()))
    response = await client.send(coordinator, request)
    _raise(getattr(response, "error_code", 0), f"reading the offsets of group {group}")
    found: dict[TopicPartition, int] = {}
    for topic, offsets in response.topics:
        for number, offset, _, error_code in offsets:
            _raise(error_code, f"reading the offset of group {group} in {topic}[{number}]")
            found[TopicPartition(topic, number)] = offset
    return found


async def describe_group(client: Any, coordinator: int, group: str) -> GroupDescription | None:
    """Return the state of a group; None if the broker does not describe groups. Raises aiokafka's errors."""
    from aiokafka.errors import IncompatibleBrokerVersion
    from aiokafka.protocol.admin import DescribeGroupsRequest

    try:
        response = await client.send(coordinator, DescribeGroupsRequest([group], include_authorized_operations=False))
    except IncompatibleBrokerVersion:  # the embedded broker
        return None
    error_code, _, state, _, _, members, *_ = response.groups[0]
    _raise(error_code, f"describing group {group}")
    return GroupDescription(state, len(members))


async def is_listed(client: Any, coordinator: int, group: str) -> bool:
    """Return whether the coordinator lists a group, of whichever protocol. Raises aiokafka's errors."""
    from aiokafka.protocol.admin import ListGroupsRequest

    response = await client.send(coordinator, ListGroupsRequest())
    _raise(response.error_code, "listing groups")
    return any(name == group for name, *_ in response.groups)


async def existing_partitions(client: Any) -> Mapping[str, frozenset[int]]:
    """Return the partitions of all topics, without creating any. Raises aiokafka's errors."""
    cluster = await client.fetch_all_metadata()
    return {topic: frozenset(cluster.partitions_for_topic(topic) or ()) for topic in cluster.topics()}


async def first_records(
    consumer: Any, starts: Mapping[TopicPartition, int]
) -> tuple[Mapping[TopicPartition, tuple[int, int]], Mapping[TopicPartition, int]]:
    """Fetch once from partitions that were assigned before; `starts` are those that are still looked at.

    Return offset and timestamp of the first record of each partition that has returned one, and the offset that each of
    the others has reached. Raises aiokafka's errors.
    """
    places = [native(place) for place in starts]
    batches = await consumer.getmany(*places, timeout_ms=FETCH_WAIT, max_records=len(places))
    found = {
        TopicPartition(*place): (records[0].offset, records[0].timestamp)
        for place, records in batches.items()
        if records
    }
    reached = {place: await consumer.position(native(place)) for place in starts if place not in found}
    return found, reached


def _raise(error_code: int, during: str) -> None:
    from aiokafka.errors import for_code

    if error_code:
        raise for_code(error_code)(during)
