"""Lists, describes, creates and deletes topics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from pywatt_kafka.admin.connection import LIMIT, raise_for
from pywatt_kafka.admin.offsets import OffsetOperations
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import TopicPartition
from pywatt_kafka.security.options import Security

BROKERS_DEFAULT = -1
"""Number of copies or partitions of a topic: the brokers' default."""
TOPIC_ALREADY_EXISTS = 36
EMBEDDED_PARTITIONS = 4
"""Number of partitions of each topic that a client creates on the embedded broker."""


@dataclass(frozen=True, slots=True)
class Topic:
    """A topic with its number of partitions and records."""

    name: str
    partitions: int
    records: int
    """Offsets between the beginnings and the ends of its partitions; a compacted topic has fewer records."""


@dataclass(frozen=True, slots=True)
class NewTopic:
    """A topic to create."""

    name: str
    partitions: int = BROKERS_DEFAULT
    replication: int = BROKERS_DEFAULT
    """Copies of each partition."""
    configs: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Partition:
    """One partition of a topic."""

    number: int
    leader: int | None
    """Id of the broker that serves it; None while none does."""
    replicas: Sequence[int]
    in_sync_replicas: Sequence[int]
    beginning: int | None
    """Offset of its first record; None without a leader."""
    end: int | None
    """Offset after its last record; None without a leader."""


@dataclass(frozen=True, slots=True)
class TopicDescription:
    """A topic with its partitions."""

    name: str
    is_internal: bool
    partitions: Sequence[Partition]


def is_not_internal(name: str) -> bool:
    """Return whether a topic is none of Kafka's own (pure)."""
    return not name.startswith("__")


class TopicOperations(OffsetOperations):
    """Operations on topics."""

    async def list_topics(self, wanted: Callable[[str], bool] = is_not_internal) -> Sequence[Topic]:
        """Return the topics with a wanted name, sorted by name; by default all but Kafka's internal ones."""

        async def step() -> Sequence[Topic]:
            found = [each for each in await self._metadata(None) if wanted(each["topic"])]
            ranges = await self._ranges(found)
            return [
                Topic(
                    each["topic"],
                    len(each["partitions"]),
                    sum(end - beginning for place, (beginning, end) in ranges.items() if place.topic == each["topic"]),
                )
                for each in sorted(found, key=_name)
            ]

        return await self._call("reading the list of topics", step)

    async def describe_topics(self, topics: Iterable[str]) -> Sequence[TopicDescription]:
        """Return topics with their partitions, sorted by name. Raises UnknownTopic for one that does not exist."""
        names = sorted(set(topics))

        async def step() -> Sequence[TopicDescription]:
            found = sorted(await self._metadata(names), key=_name)
            for each in found:
                raise_for(each["error_code"], f"describing topic {each['topic']}")
            ranges = await self._ranges(found)
            return [_described(each, ranges) for each in found]

        return await self._call(f"describing {', '.join(names)}", step)

    async def create_topics(self, topics: Iterable[str | NewTopic]) -> None:
        """Create topics; return once they can be written to. A name: with the brokers' default settings.

        Raises UnknownTopic (a name that is not allowed), NotAuthorized or another KafkaError: for a topic that exists,
        a config that does not, and so on. The embedded broker creates topics of EMBEDDED_PARTITIONS partitions only.
        """
        new = [NewTopic(each) if isinstance(each, str) else each for each in topics]
        if self.is_embedded:
            _refuse_settings(new)
        await self._create(new, existing_is_error=True)

    async def ensure_topics(
        self, topics: Iterable[str], *, partitions: int = 1, replication: int = BROKERS_DEFAULT
    ) -> frozenset[str]:
        """Create the missing topics; return their names once all of them can be written to.

        Existing topics are left unchanged. Raises as `create_topics`. The embedded broker may create more partitions.
        """
        wanted = frozenset(topics)
        existing = await self._call("reading the list of topics", partial(self._metadata, None))
        missing = wanted - {each["topic"] for each in existing}
        new = [NewTopic(name, partitions, replication) for name in sorted(missing)]
        if self.is_embedded and partitions > EMBEDDED_PARTITIONS:
            _refuse_settings(new)
        await self._create(new)
        return missing

    async def delete_topics(self, topics: Iterable[str]) -> None:
        """Delete topics with all their records; return once they are gone. Raises UnknownTopic for a missing one."""
        from aiokafka.protocol.admin import DeleteTopicsRequest

        names = sorted(set(topics))
        if not names:
            return

        async def step() -> None:
            answer = await self._send_to_controller(DeleteTopicsRequest(names, int(self._timeout * 1000)))
            for topic, code in answer.topic_error_codes:
                raise_for(code, f"deleting topic {topic}")

        async def gone() -> None:
            if left := {each["topic"] for each in await self._metadata(None)}.intersection(names):
                raise KafkaUnavailable(f"{', '.join(sorted(left))} is still there")

        await self._call(f"deleting {', '.join(names)}", step)
        await self._call(f"waiting until {', '.join(names)} is deleted", gone)

    async def create_partitions(self, topic: str, count: int) -> None:
        """Give a topic more partitions: `count` in all. Keys move to other partitions: order ends at this point.

        Raises UnknownTopic, or KafkaError when the topic has as many already.
        """
        from aiokafka.protocol.admin import CreatePartitionsRequest

        anywhere: Any = None  # on which brokers, is the cluster's choice
        request = CreatePartitionsRequest([(topic, (count, anywhere))], int(self._timeout * 1000), False)

        async def step() -> None:
            for _, code, detail in (await self._send_to_controller(request)).topic_errors:
                raise_for(code, f"giving topic {topic} {count} partitions", detail)

        await self._call(f"giving topic {topic} {count} partitions", step)
        await self._settle([topic], count)

    async def _create(self, topics: Sequence[NewTopic], *, existing_is_error: bool = False) -> None:
        from aiokafka.protocol.admin import CreateTopicsRequest

        if not topics:
            return
        names = [topic.name for topic in topics]
        during = f"creating {', '.join(names)}"
        new: list[Any] = [
            (topic.name, topic.partitions, topic.replication, [], list(topic.configs.items())) for topic in topics
        ]

        async def step() -> None:
            if self.is_embedded:  # it creates a topic when it is asked for its metadata
                await self._metadata(names, create=True)
                return
            answer = await self._send_to_controller(CreateTopicsRequest(new, int(self._timeout * 1000), False))
            for topic, code, *detail in answer.topic_errors:
                if code != TOPIC_ALREADY_EXISTS or existing_is_error:
                    raise_for(code, f"creating topic {topic}", *detail)

        await self._call(during, step)
        await self._settle(names)

    async def _settle(self, topics: Sequence[str], partitions: int = 1) -> None:
        """Wait until each topic has at least so many partitions, and each of them a leader."""

        async def step() -> None:
            for topic in await self._metadata(topics):
                leaders = [part["leader"] for part in topic["partitions"]]
                if topic["error_code"] or len(leaders) < partitions or min(leaders) < 0:
                    raise KafkaUnavailable(f"topic {topic['topic']} is not ready yet")

        await self._call("waiting for new topics", step)

    async def _ranges(self, topics: Iterable[Mapping[str, Any]]) -> Mapping[TopicPartition, tuple[int, int]]:
        """Return beginning and end of each partition that has a leader."""
        places = [
            TopicPartition(topic["topic"], part["partition"])
            for topic in topics
            for part in topic["partitions"]
            if part["leader"] >= 0
        ]
        beginnings = await self._offsets(places, "earliest")
        ends = await self._offsets(places, "latest")
        return {place: (beginnings[place], ends[place]) for place in places}


async def list_topics(
    bootstrap_brokers: str | Sequence[str] | None = None,
    wanted: Callable[[str], bool] = is_not_internal,
    *,
    security: Security | None = None,
) -> Sequence[Topic]:
    """Return the topics with a wanted name: `Admin.list_topics` with a connection of its own."""
    async with TopicOperations(bootstrap_brokers, security=security) as admin:
        return await admin.list_topics(wanted)


async def ensure_topics(
    bootstrap_brokers: str | Sequence[str] | None,
    topics: Iterable[str],
    *,
    partitions: int = 1,
    replication: int = BROKERS_DEFAULT,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> frozenset[str]:
    """Create the missing topics: `Admin.ensure_topics` with a connection of its own. `timeout`: in seconds."""
    admin = TopicOperations(bootstrap_brokers, security=security, timeout=timeout)
    async with admin.within(timeout):
        return await admin.ensure_topics(topics, partitions=partitions, replication=replication)


def _refuse_settings(topics: Iterable[NewTopic]) -> None:
    """Raise KafkaError for settings that the embedded broker would ignore (pure)."""
    for topic in topics:
        ignored = None
        if topic.partitions not in (BROKERS_DEFAULT, EMBEDDED_PARTITIONS):
            ignored = f"{topic.partitions} partition{'' if topic.partitions == 1 else 's'}"
        elif topic.replication not in (BROKERS_DEFAULT, 1):
            ignored = f"{topic.replication} copies of each partition"
        elif topic.configs:
            ignored = f"the config {next(iter(topic.configs))}"
        if ignored is not None:
            raise KafkaError(
                f"topic {topic.name} cannot have {ignored}: the embedded broker gives every topic "
                f"{EMBEDDED_PARTITIONS} partitions, one copy and no configs",
                hint="leave it out, or use a real broker: pywatt kafka start",
            )


def _name(topic: Mapping[str, Any]) -> str:
    name: str = topic["topic"]
    return name


def _described(topic: Mapping[str, Any], ranges: Mapping[TopicPartition, tuple[int, int]]) -> TopicDescription:
    partitions = []
    for part in sorted(topic["partitions"], key=lambda part: int(part["partition"])):
        beginning, end = ranges.get(TopicPartition(topic["topic"], part["partition"]), (None, None))
        partitions.append(
            Partition(
                number=part["partition"],
                leader=part["leader"] if part["leader"] >= 0 else None,
                replicas=tuple(part["replicas"]),
                in_sync_replicas=tuple(part["isr"]),
                beginning=beginning,
                end=end,
            )
        )
    return TopicDescription(topic["topic"], bool(topic.get("is_internal")), partitions)
