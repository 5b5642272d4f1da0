"""Producer, GroupReader and TailReader against a real broker, its absence and its crashes."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path
from time import monotonic

import anyio
import pytest
from anyio.abc import Process

from pywatt_kafka import (
    CommitFailed,
    ConnectionState,
    ConnectionStatus,
    GroupReader,
    KafkaError,
    KafkaUnavailable,
    Message,
    Offset,
    Producer,
    RecordTooLarge,
    TailReader,
    TopicPartition,
    UnknownTopic,
    consumer_lag,
    ensure_topics,
)
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
IMPATIENT = 2.0  # seconds for a send that is to fail; one that is to succeed may take longer on a busy machine
SESSION = 45.0  # seconds, as in production: a slow comeback would show


class Statuses:
    """Records the states that a client reports, and waits for them."""

    def __init__(self) -> None:
        self.seen: list[ConnectionStatus] = []
        self._changed = asyncio.Event()

    def __call__(self, status: ConnectionStatus) -> None:
        self.seen.append(status)
        self._changed.set()

    async def wait_for(self, state: ConnectionState) -> None:
        with anyio.fail_after(LONG):
            while not self.seen or self.seen[-1].state is not state:
                self._changed.clear()
                await self._changed.wait()


class Assignments:
    """A listener that records its calls and commits nothing."""

    def __init__(self) -> None:
        self.log: list[tuple[str, frozenset[TopicPartition]]] = []
        self._changed = asyncio.Event()

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self._note("assigned", partitions)

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        self._note("revoked", partitions)

    def _note(self, what: str, partitions: frozenset[TopicPartition]) -> None:
        self.log.append((what, partitions))
        self._changed.set()

    async def until(self, fits: Callable[[str, frozenset[TopicPartition]], bool]) -> None:
        with anyio.fail_after(LONG):
            while not self.log or not fits(*self.log[-1]):
                self._changed.clear()
                await self._changed.wait()


async def read(source: GroupReader | TailReader, count: int) -> list[Message]:
    messages: list[Message] = []
    with anyio.fail_after(LONG):
        while len(messages) < count:
            for batch in (await source.fetch()).values():
                messages += batch
    return messages


async def write(broker: str, topic: str, values: Sequence[bytes], partition: int | None = None) -> None:
    async with Producer(broker) as producer:
        for value in values:
            await producer.send(topic, value, partition=partition)


async def test_a_record_comes_back_as_it_was_sent(broker: str, topic: str) -> None:
    headers = [("content-type", b"text/plain"), ("empty", b""), ("none", None), ("content-type", b"again")]
    async with Producer(broker) as producer, GroupReader(broker, group=topic, topics=[topic]) as consumer:
        position = await producer.send(topic, b"\x00\xff", key=b"k", headers=headers, timestamp=1_700_000_000_123)
        tombstone = await producer.send(topic, None, key=b"k", partition=position.partition)
        first, second = await read(consumer, 2)
    assert first == Message(topic, position.partition, 0, b"k", b"\x00\xff", tuple(headers), 1_700_000_000_123)
    assert (second.value, second.offset) == (None, tombstone.offset)


async def test_keys_choose_partitions_and_order_holds_within_one(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic], partitions=4)
    async with Producer(broker) as producer, GroupReader(broker, group=topic, topics=[topic]) as consumer:
        await asyncio.gather(*(producer.send(topic, b"%d" % n, key=b"%d" % (n % 7)) for n in range(700)))
        messages = await read(consumer, 700)
    by_key: dict[bytes | None, list[Message]] = {}
    for message in messages:
        by_key.setdefault(message.key, []).append(message)
    for of_key in by_key.values():
        assert len({message.partition for message in of_key}) == 1
        numbers = [int(message.value or b"") for message in of_key]
        assert numbers == sorted(numbers)


async def test_errors_of_a_single_record_leave_the_producer_working(broker: str, topic: str) -> None:
    async with Producer(broker, request_timeout=3.0) as producer:
        with pytest.raises(RecordTooLarge):
            await producer.send(topic, b"x" * 2_000_000)
        with pytest.raises(UnknownTopic):
            await producer.send("no such name", b"x")
        with pytest.raises(KafkaError, match="needs a value or a key"):
            await producer.send(topic, None)
        await producer.send(topic, b"fine")
        assert producer.connected


async def test_reading_starts_at_the_committed_offset_and_else_at_the_earliest(broker: str, topic: str) -> None:
    await write(broker, topic, [b"0", b"1", b"2"])
    place = TopicPartition(topic, 0)
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        assert [message.value for message in await read(consumer, 3)] == [b"0", b"1", b"2"]
        assert await consumer.committed([place]) == {}
        await consumer.commit({place: Offset(1, "done: 2")})
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        assert [message.value for message in await read(consumer, 2)] == [b"1", b"2"]
        assert await consumer.committed([place]) == {place: Offset(1, "done: 2")}


async def test_iterating_yields_one_by_one_and_commits_on_demand(broker: str, topic: str) -> None:
    await write(broker, topic, [b"0", b"1", b"2"])
    with anyio.fail_after(LONG):
        for expected in (b"0", b"1"):
            async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
                async for message in consumer:
                    assert message.value == expected
                    await consumer.commit_through(message)
                    break


async def test_a_topic_may_appear_after_its_consumer(broker: str, topics: Callable[[], str]) -> None:
    here, later = topics(), topics()
    await ensure_topics(broker, [here])
    async with GroupReader(broker, group=here, topics=[here, later]) as consumer:
        await write(broker, here, [b"here"])
        (message,) = await read(consumer, 1)
        assert message.value == b"here"
        await consumer.commit_through(message)
        await write(broker, later, [b"later"])
        assert [message.value for message in await read(consumer, 1)] == [b"later"]


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
async def test_a_record_without_a_key_may_be_placed_as_if_it_had_one(
    broker: str, topic: str, engine: EngineName
) -> None:
    await ensure_topics(broker, [topic], partitions=5)
    async with Producer(broker, engine=engine) as producer:
        names = [b"k%d" % number for number in range(20)]
        placed = [await producer.send(topic, b"v", placed_by=name) for name in names]
        keyed = [await producer.send(topic, b"v", key=name) for name in names]
        assert [position.partition for position in placed] == [position.partition for position in keyed]
        assert len({position.partition for position in placed}) > 1
        assert (await producer.send(topic, b"v", placed_by=names[0], partition=4)).partition == 4
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        found = await read(consumer, 41)
    assert sum(message.key is None for message in found) == 21


async def test_the_group_shares_partitions_and_tells_each_member(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic], partitions=4)
    everything = frozenset(TopicPartition(topic, number) for number in range(4))
    one, two = Assignments(), Assignments()
    async with (
        GroupReader(broker, group=topic, topics=[topic], listener=one) as first,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_keep_fetching, first)
        await one.until(lambda what, partitions: (what, partitions) == ("assigned", everything))
        async with GroupReader(broker, group=topic, topics=[topic], listener=two) as second:
            tasks.start_soon(_keep_fetching, second)
            await two.until(lambda what, partitions: what == "assigned" and len(partitions) == 2)
            await one.until(lambda what, partitions: what == "assigned" and len(partitions) == 2)
            assert first.assignment | second.assignment == everything
            with pytest.raises(CommitFailed):
                await first.commit(dict.fromkeys(second.assignment, Offset(0)))
        await one.until(lambda what, partitions: (what, partitions) == ("assigned", everything))
        tasks.cancel_scope.cancel()
    assert one.log[1] == ("revoked", everything)
    assert [what for what, _ in one.log] == ["assigned", "revoked", "assigned", "revoked", "assigned", "revoked"]
    assert [what for what, _ in two.log] == ["assigned", "revoked"]


async def test_a_member_that_ends_while_it_joins_is_not_waited_for(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic], partitions=4)
    everything = frozenset(TopicPartition(topic, number) for number in range(4))

    class Busy(Assignments):
        """Revokes its partitions when the test allows it; until then the other member's join is not answered."""

        def __init__(self) -> None:
            super().__init__()
            self.allowed = asyncio.Event()

        async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
            await super().revoked(partitions)
            await self.allowed.wait()

    busy = Busy()
    async with (
        GroupReader(broker, group=topic, topics=[topic], listener=busy, session_timeout=SESSION) as first,
        anyio.create_task_group() as tasks,
    ):
        tasks.start_soon(_keep_fetching, first)
        await busy.until(lambda what, partitions: (what, partitions) == ("assigned", everything))
        async with GroupReader(broker, group=topic, topics=[topic], session_timeout=SESSION):
            await busy.until(lambda what, _: what == "revoked")
        busy.allowed.set()
        await busy.until(lambda what, partitions: (what, partitions) == ("assigned", everything))
        tasks.cancel_scope.cancel()


async def _keep_fetching(consumer: GroupReader) -> None:
    while True:
        await consumer.fetch()


async def test_no_record_is_fetched_before_the_listener_has_chosen_where_to_read(broker: str, topic: str) -> None:
    await write(broker, topic, [b"0", b"1", b"2", b"3"])

    class Skip(Assignments):
        consumer: GroupReader

        async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
            assert await self.consumer.committed(partitions) == {}
            self.consumer.seek(TopicPartition(topic, 0), 2)
            await super().assigned(partitions)

    listener = Skip()
    async with GroupReader(broker, group=topic, topics=[topic], listener=listener) as consumer:
        listener.consumer = consumer
        assert [message.value for message in await read(consumer, 2)] == [b"2", b"3"]


async def test_a_failing_listener_reaches_the_one_who_fetches(broker: str, topic: str) -> None:
    class Broken(Assignments):
        async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
            raise LookupError("mine")

    await ensure_topics(broker, [topic])
    async with GroupReader(broker, group=topic, topics=[topic], listener=Broken()) as consumer:
        with pytest.raises(LookupError, match="mine"):
            await read(consumer, 1)


async def test_a_paused_partition_rests_until_it_is_resumed(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    await write(broker, topic, [b"a"], partition=0)
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        await read(consumer, 1)
        resting = TopicPartition(topic, 0)
        consumer.pause(resting)
        await write(broker, topic, [b"b"], partition=0)
        await write(broker, topic, [b"c"], partition=1)
        assert [message.value for message in await read(consumer, 1)] == [b"c"]
        assert await consumer.fetch(timeout=0.1) == {}
        consumer.resume(resting)
        assert [message.value for message in await read(consumer, 1)] == [b"b"]


async def test_a_tail_reader_sees_what_comes_after_it_and_all_of_new_partitions(
    broker: str, topics: Callable[[], str]
) -> None:
    topic, later = topics(), topics()
    await ensure_topics(broker, [topic], partitions=3)
    await write(broker, topic, [b"old"] * 10)
    async with TailReader(broker, [topic, later]) as reader, TailReader(broker, [topic]) as other:
        with anyio.fail_after(LONG):
            await reader.wait_ready()
            await other.wait_ready()
        await write(broker, topic, [b"new"])
        assert [message.value for message in await read(reader, 1)] == [b"new"]
        assert [message.value for message in await read(other, 1)] == [b"new"]
        await write(broker, later, [b"first of a new topic"])
        assert [message.value for message in await read(reader, 1)] == [b"first of a new topic"]


async def test_lag_counts_what_is_not_committed(broker: str, topics: Callable[[], str]) -> None:
    topic, untouched = topics(), topics()
    await ensure_topics(broker, [topic, untouched], partitions=2)
    await write(broker, topic, [b"x"] * 5, partition=1)
    assert await consumer_lag(broker, topic) == {}
    assert await consumer_lag(broker, topic, [topic, untouched, "no-such-topic"]) == {
        topic: {0: 0, 1: 5},
        untouched: {0: 0, 1: 0},
    }
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        await read(consumer, 5)
        await consumer.commit({TopicPartition(topic, 1): Offset(3)})
    assert await consumer_lag(broker, topic) == {topic: {1: 2}}


async def test_ensure_topics_makes_only_what_is_missing(broker: str, topics: Callable[[], str]) -> None:
    first, second = topics(), topics()
    assert await ensure_topics(broker, [first], partitions=3) == {first}
    assert await ensure_topics(broker, [first, second], partitions=1) == {second}
    assert await consumer_lag(broker, "nobody", [first]) == {first: {0: 0, 1: 0, 2: 0}}
    with pytest.raises(UnknownTopic):
        await ensure_topics(broker, ["not a name"])


async def test_clients_start_without_a_broker_and_work_once_it_is_there(kafka_at_hand: None, tmp_path: Path) -> None:
    broker = RealBroker(tmp_path)
    broker.start()
    await anyio.to_thread.run_sync(broker.stop)
    statuses = [Statuses(), Statuses(), Statuses()]
    try:
        async with (
            Producer(broker.address, request_timeout=LONG, on_status=statuses[0]) as producer,
            Producer(broker.address, request_timeout=IMPATIENT) as impatient,
            GroupReader(broker.address, group="g", topics=["orders"], on_status=statuses[1]) as consumer,
            TailReader(broker.address, ["orders"], on_status=statuses[2]) as reader,
        ):
            for status in statuses:
                await status.wait_for(ConnectionState.AWAY)
            assert broker.address in statuses[0].seen[-1].reason
            with anyio.fail_after(LONG), pytest.raises(KafkaUnavailable):
                await impatient.send("orders", b"too early")
            await anyio.to_thread.run_sync(broker.start)
            for status in statuses:
                await status.wait_for(ConnectionState.CONNECTED)
            await reader.wait_ready()
            await producer.send("orders", b"now")
            assert [message.value for message in await read(consumer, 1)] == [b"now"]
            assert [message.value for message in await read(reader, 1)] == [b"now"]
    finally:
        await anyio.to_thread.run_sync(broker.stop)


async def test_clients_survive_a_broker_that_is_killed_and_comes_back(own_broker: RealBroker, topic: str) -> None:
    statuses = [Statuses(), Statuses(), Statuses()]
    address = own_broker.address
    async with (
        Producer(address, request_timeout=LONG, on_status=statuses[0]) as producer,
        GroupReader(
            address, group=topic, topics=[topic], instance_id=f"{topic}-app-0", on_status=statuses[1]
        ) as consumer,
        TailReader(address, [topic], on_status=statuses[2]) as reader,
    ):
        with anyio.fail_after(LONG):
            await reader.wait_ready()
        await producer.send(topic, b"before")
        (before,) = await read(consumer, 1)
        await consumer.commit_through(before)
        assert [message.value for message in await read(reader, 1)] == [b"before"]
        await anyio.to_thread.run_sync(own_broker.kill)
        for status in statuses:
            await status.wait_for(ConnectionState.AWAY)
        assert await consumer.fetch(timeout=0.1) == {}
        with pytest.raises(KafkaUnavailable):
            await consumer_lag(address, topic, timeout=2.0)
        waiting = asyncio.ensure_future(producer.send(topic, b"during"))
        await anyio.to_thread.run_sync(own_broker.start)
        for status in statuses:
            await status.wait_for(ConnectionState.CONNECTED)
        await waiting
        await producer.send(topic, b"after")
        assert [message.value for message in await read(consumer, 2)] == [b"during", b"after"]
        assert [message.value for message in await read(reader, 2)] == [b"during", b"after"]
        await consumer.commit({TopicPartition(topic, 0): Offset(3)})
    assert await consumer_lag(address, topic) == {topic: {0: 0}}


async def test_a_broker_that_does_not_answer_is_noticed(own_broker: RealBroker, topic: str) -> None:
    statuses = Statuses()
    async with (
        Producer(own_broker.address, request_timeout=LONG, on_status=statuses) as producer,
        Producer(own_broker.address, request_timeout=IMPATIENT) as impatient,
    ):
        await producer.send(topic, b"1")
        await impatient.wait_connected()
        with frozen(own_broker):
            with anyio.fail_after(LONG), pytest.raises(KafkaUnavailable):
                await impatient.send(topic, b"2")
            await statuses.wait_for(ConnectionState.AWAY)
        await statuses.wait_for(ConnectionState.CONNECTED)
        await producer.send(topic, b"3")


@contextmanager
def frozen(broker: RealBroker) -> Iterator[None]:
    assert broker.pid is not None
    os.kill(broker.pid, signal.SIGSTOP)
    try:
        # Its threads stop one by one, and one that still runs may answer.
        threads = Path(f"/proc/{broker.pid}/task")
        while any(stat.read_text().rpartition(")")[2].split()[0] != "T" for stat in threads.glob("*/stat")):
            continue
        yield
    finally:
        os.kill(broker.pid, signal.SIGCONT)


MEMBER = """
import anyio, sys
from pywatt_kafka import GroupReader
address, group, topic, instance = sys.argv[1:]
async def main():
    reader = GroupReader(address, group=group, topics=[topic], instance_id=instance, session_timeout=45.0)
    async with reader as consumer:
        async for message in consumer:
            print(message.value.decode(), flush=True)
anyio.run(main)
"""


@asynccontextmanager
async def member(*arguments: str) -> AsyncIterator[tuple[Process, AsyncIterator[str]]]:
    async with await anyio.open_process([sys.executable, "-c", MEMBER, *arguments], stderr=None) as process:
        assert process.stdout is not None
        try:
            yield process, _lines(process.stdout)
        finally:
            if process.returncode is None:
                process.kill()


async def _lines(stream: anyio.abc.ByteReceiveStream) -> AsyncIterator[str]:
    buffered = b""
    async for chunk in stream:
        *lines, buffered = (buffered + chunk).split(b"\n")
        for line in lines:
            yield line.decode()


async def test_a_static_member_that_is_killed_goes_on_within_seconds(broker: str, topic: str) -> None:
    await ensure_topics(broker, [topic], partitions=2)
    await write(broker, topic, [b"0"])
    arguments = (broker, topic, topic, f"{topic}-app-0")
    with anyio.fail_after(LONG):
        async with member(*arguments) as (process, lines):
            assert await anext(lines) == "0"
            process.kill()
            await process.wait()
        begun = monotonic()
        async with member(*arguments) as (_, lines):
            assert await anext(lines) == "0"  # it was not committed
        assert monotonic() - begun < SESSION / 3


async def test_one_poisoned_partition_takes_nothing_from_the_others(
    broker: str, topic: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """aiokafka drops what it has taken out for other partitions when one partition's records raise."""
    from aiokafka.consumer.fetcher import FetchResult
    from aiokafka.errors import CorruptRecordException

    await ensure_topics(broker, [topic], partitions=3)
    for number in range(3):
        await write(broker, topic, [b"%d" % number] * 5, partition=number)
    taken_out = FetchResult.getall
    faults = iter([False, True, False, True])

    def getall(self: FetchResult, max_records: int | None = None) -> object:
        if next(faults, False):
            raise CorruptRecordException("Invalid CRC")
        return taken_out(self, max_records)

    monkeypatch.setattr(FetchResult, "getall", getall)
    async with GroupReader(broker, group=topic, topics=[topic]) as consumer:
        messages = await read(consumer, 15)
    assert sorted((message.partition, message.offset) for message in messages) == [
        (partition, offset) for partition in range(3) for offset in range(5)
    ]


async def test_leaving_the_context_while_the_broker_is_away_is_quick(own_broker: RealBroker, topic: str) -> None:
    statuses = Statuses()
    async with GroupReader(own_broker.address, group=topic, topics=[topic], on_status=statuses) as consumer:
        await write(own_broker.address, topic, [b"1"])
        await read(consumer, 1)
        await anyio.to_thread.run_sync(own_broker.kill)
        await statuses.wait_for(ConnectionState.AWAY)
        begun = monotonic()
    assert monotonic() - begun < 10.0


async def test_an_error_in_the_body_is_raised_as_it_is(broker: str, topic: str) -> None:
    async def body() -> None:
        async with Producer(broker), GroupReader(broker, group=topic, topics=[topic]), TailReader(broker, [topic]):
            raise LookupError("mine")

    with pytest.raises(LookupError, match="mine"):
        await body()
