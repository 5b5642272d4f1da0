"""Lists, describes, resets and deletes consumer groups."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from pywatt_kafka.admin.connection import NoSuchRequest, raise_for
from pywatt_kafka.admin.offsets import OffsetOperations, Position
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import TopicPartition

GROUP_ID_NOT_FOUND, UNKNOWN_MEMBER_ID, NON_EMPTY_GROUP, UNSUPPORTED_VERSION = 69, 25, 68, 35
DEAD = "Dead"
NO_LAG = -1
NO_GENERATION, NO_MEMBER, NO_RETENTION = -1, "", -1
"""Of a commit by who is no member."""


@dataclass(frozen=True, slots=True)
class Group:
    """A consumer group in a list."""

    name: str
    type: str
    """classic, consumer (KIP-848), share (KIP-932), or empty: the broker does not say."""
    state: str
    """Such as Stable, Empty (no member), PreparingRebalance; empty: the broker does not say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupMember:
    """A member of a group."""

    id: str
    instance_id: str | None
    """The id of a static member (`group.instance.id`); None for others, and in share groups."""
    client_id: str
    host: str
    partitions: Sequence[TopicPartition]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupDescription:
    """A group with its members."""

    name: str
    type: str
    state: str
    assignor: str
    members: Sequence[GroupMember]


@dataclass(frozen=True, slots=True)
class ShareOffset:
    """The progress of a share group in one partition."""

    start: int
    """Offset of the first record that may still be delivered."""
    lag: int | None
    """Number of records without a final outcome; None: the broker does not say (Kafka 4.1)."""


@dataclass(frozen=True, slots=True)
class OffsetReset:
    """The change of a group's position in one partition."""

    topic: str
    partition: int
    before: int | None
    """The committed offset; None: none."""
    after: int


class GroupOperations(OffsetOperations):
    """Operations on consumer groups."""

    async def list_groups(self) -> Sequence[Group]:
        """Return the groups of all brokers, sorted by name."""
        from pywatt_kafka.admin.requests import list_groups

        async def step() -> Sequence[Group]:
            found: set[tuple[str, ...]] = set()
            for broker in self._client.cluster.brokers():
                answer = await self._send(list_groups(), broker.nodeId)
                raise_for(answer.error_code, "listing the groups")
                found.update(tuple(group[:4]) for group in answer.groups)
            return [
                Group(name, details[1].lower() if details else "", details[0] if details else "")
                for name, _, *details in sorted(found)
            ]

        return await self._call("listing the groups", step)

    async def describe_group(self, group: str) -> GroupDescription:
        """Return a group with its members and their partitions. Raises KafkaError for a group that does not exist."""
        found = await self.find_group(group)
        if found is None:
            raise KafkaError(f"there is no group {group}", hint="`pywatt kafka groups` lists them")
        return found

    async def find_group(self, group: str) -> GroupDescription | None:
        """Return a group as `describe_group` does; None if there is none. Raises KafkaError."""
        from pywatt_kafka.admin.requests import describe_consumer_group, describe_share_group

        async def step() -> GroupDescription | None:
            found = await self._describe_classic(group)
            if found.state != DEAD:
                return found
            for kind, request in (
                ("consumer", describe_consumer_group(group)),
                ("share", describe_share_group(group)),
            ):
                with suppress(NoSuchRequest):  # an older broker
                    (answer,) = (await self._send_to_coordinator(group, request)).to_object()["groups"]
                    if answer["error_code"] not in (GROUP_ID_NOT_FOUND, UNSUPPORTED_VERSION):
                        raise_for(answer["error_code"], f"describing group {group}", answer["error_message"])
                        return _described(answer, kind)
            return None

        return await self._call(f"describing group {group}", step)

    async def list_group_offsets(
        self, group: str, topics: Iterable[str] | None = None
    ) -> Mapping[TopicPartition, int | None]:
        """Return what a group has committed. Of the topics that are named, all partitions: None has no commit.

        An unknown group has committed nothing. Raises UnknownTopic for a topic that does not exist.
        """
        wanted = None if topics is None else sorted(set(topics))
        return await self._call(f"reading what group {group} has committed", lambda: self._committed(group, wanted))

    async def list_share_group_offsets(self, group: str) -> Mapping[TopicPartition, ShareOffset]:
        """Return how far a share group has got in the partitions that it has begun to read. Raises KafkaError."""
        from pywatt_kafka.admin.requests import share_group_offsets

        during = f"reading how far share group {group} has got"

        async def step() -> Mapping[TopicPartition, ShareOffset]:
            (found,) = (await self._send_to_coordinator(group, share_group_offsets(group))).to_object()["groups"]
            raise_for(found["error_code"], during, found["error_message"])
            offsets: dict[TopicPartition, ShareOffset] = {}
            for topic in found["topics"]:
                for part in topic["partitions"]:
                    raise_for(part["error_code"], f"{during} in {topic['topic']}", part["error_message"])
                    if part["start_offset"] >= 0:
                        lag = part.get("lag", NO_LAG)
                        place = TopicPartition(topic["topic"], part["partition"])
                        offsets[place] = ShareOffset(part["start_offset"], None if lag == NO_LAG else lag)
            return dict(sorted(offsets.items()))

        return await self._call(during, step)

    async def reset_offsets(
        self,
        group: str,
        to: Position | int | Mapping[TopicPartition, int],
        *,
        topics: Iterable[str] | None = None,
        partitions: Iterable[TopicPartition] | None = None,
        dry_run: bool = False,
    ) -> Sequence[OffsetReset]:
        """Commit other offsets for a group without members; return the changes, by topic and partition.

        `to`: "earliest", "latest", a time, a time ago, or an offset, also one for each partition (at least its
        beginning, at most its end). `topics` and `partitions`: which; by default all that the group has committed.
        `dry_run`: change nothing. Raises KafkaError when the group has members, or has committed nothing and no topic
        is named.
        """
        if isinstance(to, Mapping):
            partitions = to.keys()
        chosen = None if partitions is None else frozenset(partitions)
        named = {place.topic for place in chosen} if chosen is not None else None if topics is None else set(topics)
        before = await self.list_group_offsets(group, named)
        if chosen is not None:
            before = {place: offset for place, offset in before.items() if place in chosen}
        if not before:
            raise KafkaError(f"group {group} has committed nothing", hint="name the topics")
        after = await self._positions(before, to)
        if not dry_run:
            await self._commit(group, after)
        return [OffsetReset(*place, before[place], after[place]) for place in sorted(before)]

    async def delete_groups(self, groups: Iterable[str]) -> None:
        """Delete groups without members, and what they have committed. Raises KafkaError."""
        from aiokafka.protocol.admin import DeleteGroupsRequest

        async def step(group: str) -> None:
            answer = await self._send_to_coordinator(group, DeleteGroupsRequest([group]))
            for name, code in answer.results:
                if code == NON_EMPTY_GROUP:
                    raise _has_members(name)
                if code == GROUP_ID_NOT_FOUND:
                    raise KafkaError(f"there is no group {name}", hint="`pywatt kafka groups` lists them")
                raise_for(code, f"deleting group {name}")

        for group in sorted(set(groups)):
            await self._call(f"deleting group {group}", lambda group=group: step(group))  # type: ignore[misc]

    async def delete_group_offsets(self, group: str, partitions: Iterable[TopicPartition]) -> None:
        """Delete what a group has committed of partitions that no member reads. Raises KafkaError."""
        from pywatt_kafka.admin.requests import delete_offsets

        request = delete_offsets(group, _by_topic(partitions))
        during = f"deleting offsets of group {group}"

        async def step() -> None:
            answer = await self._send_to_coordinator(group, request)
            raise_for(answer.error_code, during)
            for topic, parts in answer.topics:
                for number, code in parts:
                    raise_for(code, f"{during} in {topic}[{number}]")

        await self._call(during, step)

    async def remove_member(self, group: str, instance_id: str) -> None:
        """Remove a static member that has ended, so that the rest of its group gets its partitions at once.

        Does nothing for a member that is not in the group, and on a broker without static members, as the embedded one.
        """
        from pywatt_kafka.admin.requests import leave_group

        during = f"taking {instance_id} out of consumer group {group}"

        async def step() -> None:
            try:
                answer = await self._send_to_coordinator(group, leave_group(group, instance_id))
            except NoSuchRequest:
                return
            for code in (answer.error_code, *(member[-1] for member in answer.members)):
                if code != UNKNOWN_MEMBER_ID:
                    raise_for(code, during)

        await self._call(during, step)

    async def _positions(
        self, partitions: Iterable[TopicPartition], to: Position | int | Mapping[TopicPartition, int]
    ) -> Mapping[TopicPartition, int]:
        places = sorted(partitions)
        if not isinstance(to, int | Mapping):
            return await self.list_offsets(places, to)
        offsets = to if isinstance(to, Mapping) else dict.fromkeys(places, to)
        beginnings = await self.list_offsets(places, "earliest")
        ends = await self.list_offsets(places, "latest")
        return {place: min(max(offsets[place], beginnings[place]), ends[place]) for place in places}

    async def _commit(self, group: str, offsets: Mapping[TopicPartition, int]) -> None:
        from aiokafka.protocol.commit import OffsetCommitRequest

        during = f"resetting group {group}"
        topics = [
            (topic, [(number, offsets[TopicPartition(topic, number)], "") for number in numbers])
            for topic, numbers in _by_topic(offsets).items()
        ]
        request = OffsetCommitRequest(group, NO_GENERATION, NO_MEMBER, NO_RETENTION, topics)

        async def step() -> None:
            for topic, parts in (await self._send_to_coordinator(group, request)).topics:
                for number, code in parts:
                    if code == UNKNOWN_MEMBER_ID:
                        raise _of_members_only(group) if self.is_embedded else _has_members(group)
                    raise_for(code, f"{during} in {topic}[{number}]")

        await self._call(during, step)

    async def _committed(self, group: str, topics: Sequence[str] | None) -> Mapping[TopicPartition, int | None]:
        from aiokafka.protocol.commit import OffsetFetchRequest

        named: dict[str, list[int]] | None = None
        if topics is not None:
            named = {}
            for topic in await self._metadata(topics):
                raise_for(topic["error_code"], f"finding topic {topic['topic']}")
                named[topic["topic"]] = sorted(part["partition"] for part in topic["partitions"])
        request = OffsetFetchRequest(group, None if named is None else list(named.items()))
        answer = await self._send_to_coordinator(group, request)
        if answer.topics is None:  # the embedded broker cannot list what is committed
            every = [topic["topic"] for topic in await self._metadata(None)]
            return {
                place: offset for place, offset in (await self._committed(group, every)).items() if offset is not None
            }
        raise_for(getattr(answer, "error_code", 0), f"reading what group {group} has committed")
        committed: dict[TopicPartition, int | None] = {}
        for topic, parts in answer.topics:
            for number, offset, _, code in parts:
                raise_for(code, f"reading what group {group} has committed in {topic}[{number}]")
                committed[TopicPartition(topic, number)] = offset if offset >= 0 else None
        if any(
            TopicPartition(topic, number) not in committed
            for topic, numbers in (named or {}).items()
            for number in numbers
        ):
            raise KafkaUnavailable(f"the broker has not loaded group {group} yet")
        return dict(sorted(committed.items()))

    async def _describe_classic(self, group: str) -> GroupDescription:
        from pywatt_kafka.admin.requests import describe_group

        (found,) = (await self._send_to_coordinator(group, describe_group(group))).to_object()["groups"]
        raise_for(found["error_code"], f"describing group {group}")
        return GroupDescription(
            name=group,
            type="classic",
            state=found["state"],
            assignor=found["assignor"],
            members=[
                GroupMember(
                    id=member["member_id"],
                    instance_id=member["instance_id"],
                    client_id=member["client_id"],
                    host=member["client_host"].lstrip("/"),
                    partitions=_assigned(member["assignment"]),
                )
                for member in found["members"]
            ],
        )


def _described(group: Mapping[str, Any], kind: str) -> GroupDescription:
    return GroupDescription(
        name=group["group"],
        type=kind,
        state=group["state"],
        assignor=group["assignor"],
        members=[
            GroupMember(
                id=member["member_id"],
                instance_id=member.get("instance_id"),
                client_id=member["client_id"],
                host=member["client_host"].lstrip("/"),
                partitions=sorted(
                    TopicPartition(topic["topic"], number)
                    for topic in member["assignment"]["topic_partitions"]
                    for number in topic["partitions"]
                ),
            )
            for member in group["members"]
        ],
    )


def _assigned(assignment: bytes) -> Sequence[TopicPartition]:
    """Return the partitions in an assignment of the classic protocol; none while the group is rebalancing."""
    from aiokafka.coordinator.protocol import ConsumerProtocolMemberAssignment

    if not assignment:
        return ()
    try:
        decoded = ConsumerProtocolMemberAssignment.decode(assignment)
    except ValueError:  # of a group that is none of consumers, as Kafka Connect's
        return ()
    return sorted(TopicPartition(place.topic, place.partition) for place in decoded.partitions())


def _by_topic(partitions: Iterable[TopicPartition]) -> Mapping[str, Sequence[int]]:
    topics: dict[str, list[int]] = {}
    for place in sorted(partitions):
        topics.setdefault(place.topic, []).append(place.partition)
    return topics


def _has_members(group: str) -> KafkaError:
    return KafkaError(f"group {group} has members", hint="stop its consumers first")


def _of_members_only(group: str) -> KafkaError:
    return KafkaError(
        f"the embedded broker changes offsets of group {group} for its members only",
        hint="a real broker: pywatt kafka start",
    )
