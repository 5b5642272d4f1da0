"""Reading, pausing, committing and revoking partitions, between a recording consumer and target."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import pytest

from pywatt_kafka import CommitFailed, KafkaError, Message, Offset, TopicPartition
from pywatt_kafka.processing.commit_metadata import AttemptRecord, Progress, encode
from pywatt_services.kafka_hooks.config.options import ConsumerOptions, GivenOffset, StartAt
from pywatt_services.kafka_hooks.consuming import consume_loop, offset_committer
from pywatt_services.kafka_hooks.consuming.consume_loop import ConsumeLoop
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.consuming.start_offsets import StartOffsets

pytestmark = pytest.mark.anyio

ZERO, ONE = TopicPartition("orders", 0), TopicPartition("orders", 1)


@dataclass
class Consumer:
    """A group member that returns the records of the test."""

    batches: asyncio.Queue[Mapping[TopicPartition, Sequence[Message]]] = field(default_factory=asyncio.Queue)
    commits: asyncio.Queue[dict[TopicPartition, int]] = field(default_factory=asyncio.Queue)
    group: dict[TopicPartition, Offset] = field(default_factory=lambda: {ONE: Offset(100)})
    """The committed offsets."""
    errors: list[KafkaError] = field(default_factory=list)
    paused: set[TopicPartition] = field(default_factory=set)
    sought: dict[TopicPartition, int] = field(default_factory=dict)
    reached: dict[TopicPartition, int] = field(default_factory=dict)
    """Offsets that the reader has passed without returning a record."""
    new: set[TopicPartition] = field(default_factory=set)
    """Partitions that have appeared since the start."""

    async def fetch(self, *, timeout: float, max_records: int) -> Mapping[TopicPartition, Sequence[Message]]:
        return await self.batches.get()

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        if self.errors:
            raise self.errors.pop(0)
        self.group.update(offsets)
        self.commits.put_nowait({partition: offset.offset for partition, offset in offsets.items()})

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        return {partition: self.group[partition] for partition in partitions if partition in self.group}

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        if self.errors:
            raise self.errors.pop(0)
        return dict.fromkeys(partitions, 7)

    def positions(self) -> Mapping[TopicPartition, int]:
        return self.reached

    def appeared(self, partition: TopicPartition) -> bool:
        return partition in self.new

    def seek(self, partition: TopicPartition, offset: int) -> None:
        self.sought[partition] = offset

    def pause(self, *partitions: TopicPartition) -> None:
        self.paused.update(partitions)

    def resume(self, *partitions: TopicPartition) -> None:
        self.paused.difference_update(partitions)

    def give(self, partition: TopicPartition, *offsets: int) -> None:
        messages = [Message(*partition, offset, None, b"", (), 0) for offset in offsets]
        self.batches.put_nowait({partition: messages})


@dataclass
class Target:
    """A webhook whose deliveries the test ends."""

    id: int = 1
    accepted: asyncio.Queue[Delivery] = field(default_factory=asyncio.Queue)
    held: set[TopicPartition] = field(default_factory=set)
    dropped: list[TopicPartition] = field(default_factory=list)
    stopped: bool = False
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.is_idle.set()

    def accept(self, delivery: Delivery) -> None:
        self.accepted.put_nowait(delivery)

    def hold(self, partition: TopicPartition) -> None:
        self.held.add(partition)

    def release(self, partition: TopicPartition) -> None:
        self.held.discard(partition)

    def drop(self, partition: TopicPartition) -> None:
        self.dropped.append(partition)

    def stop(self) -> None:
        self.stopped = True

    async def idle(self) -> None:
        await self.is_idle.wait()


@dataclass
class Bench:
    """A consume loop between test doubles."""

    loop: ConsumeLoop[Consumer]
    target: Target
    taken: dict[int, Delivery] = field(default_factory=dict)

    @property
    def consumer(self) -> Consumer:
        return self.loop.consumer

    async def take(self, count: int) -> None:
        for _ in range(count):
            delivery = await self.target.accepted.get()
            self.taken[delivery.message.offset] = delivery

    def finish(self, *offsets: int) -> None:
        for offset in offsets:
            self.taken[offset].finish()


@asynccontextmanager
async def bench(
    monkeypatch: pytest.MonkeyPatch,
    *,
    buffered: int = 100,
    start_at: StartAt = StartAt.EARLIEST,
    offsets: Sequence[GivenOffset] = (),
    reasons: list[str | None] | None = None,
    errors: Sequence[KafkaError] = (),
) -> AsyncIterator[Bench]:
    monkeypatch.setattr(consume_loop, "REVOKE_GRACE", 0.001)
    for name in ("COMMIT_INTERVAL", "COMMIT_RETRY"):
        monkeypatch.setattr(offset_committer, name, 0.001)
    consumer, target = Consumer(errors=list(errors)), Target()
    targets = {"orders": [target]}
    options = ConsumerOptions(group_id="hooks", start_at=start_at, offsets=tuple(offsets))
    loop = ConsumeLoop(
        lambda listener: consumer,
        targets,
        buffered_records=buffered,
        start_offsets=StartOffsets(options),
        on_unread=(reasons if reasons is not None else []).append,
    )
    b = Bench(loop, target)
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        await b.loop.assigned(frozenset({ZERO, ONE}))
        tasks.start_soon(b.loop.run)
        yield b
        tasks.cancel_scope.cancel()


async def test_commits_the_lowest_unfinished_offset(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 5, 6, 8)
        await b.take(3)
        b.finish(6)
        assert await b.consumer.commits.get() == {ZERO: 5}
        b.finish(5)
        assert await b.consumer.commits.get() == {ZERO: 8}
        b.finish(8)
        assert await b.consumer.commits.get() == {ZERO: 9}


async def test_commits_past_what_is_never_delivered(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 5)
        await b.take(1)
        b.consumer.reached = {ZERO: 20, ONE: 150}
        b.consumer.batches.put_nowait({})  # nothing arrives: both have been drained
        assert await b.consumer.commits.get() == {ONE: 150, ZERO: 5}
        b.finish(5)
        assert await b.consumer.commits.get() == {ZERO: 20}


async def test_many_records_are_committed_before_the_interval_is_over(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        monkeypatch.setattr(offset_committer, "COMMIT_INTERVAL", 3600.0)
        monkeypatch.setattr(offset_committer, "COMMIT_RECORDS", 2)
        b.consumer.give(ZERO, 5, 6, 7, 8)
        await b.take(4)
        b.finish(5)
        await asyncio.sleep(0)
        b.finish(6)
        assert await b.consumer.commits.get() == {ZERO: 7}
        b.finish(7, 8)
        assert await b.consumer.commits.get() == {ZERO: 9}


async def test_many_records_are_committed_early_while_the_partition_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, buffered=4) as b:
        monkeypatch.setattr(offset_committer, "COMMIT_INTERVAL", 3600.0)
        monkeypatch.setattr(offset_committer, "COMMIT_RECORDS", 1)
        b.consumer.give(ZERO, 5, 6, 7, 8)
        await b.take(4)
        assert b.consumer.paused == {ZERO}
        b.finish(5)
        assert await b.consumer.commits.get() == {ZERO: 6}


async def test_commit_that_failed_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.errors = [CommitFailed("rebalancing"), KafkaError("away")]
        b.consumer.give(ZERO, 0)
        await b.take(1)
        b.finish(0)
        assert await b.consumer.commits.get() == {ZERO: 1}
    assert [record.getMessage() for record in caplog.records if record.levelname == "WARNING"] == [
        "not committed, records may be delivered again: away"
    ]


async def test_full_partition_pauses_alone_until_half_is_done(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, buffered=4) as b:
        b.consumer.give(ZERO, 0, 1, 2, 3)
        await b.take(4)
        b.consumer.give(ONE, 100)
        await b.take(1)
        assert b.consumer.paused == {ZERO}
        b.finish(3)
        assert b.consumer.paused == {ZERO}
        b.finish(2)
        assert b.consumer.paused == set()


async def test_nothing_is_fetched_while_everything_is_full(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, buffered=1) as b:
        b.consumer.give(ZERO, 0)
        b.consumer.give(ONE, 100)
        await b.take(2)
        b.consumer.give(ZERO, 1)
        await asyncio.sleep(0)
        assert b.target.accepted.empty()
        b.finish(0)
        await b.take(1)
        assert set(b.taken) == {0, 1, 100}


async def test_what_is_finished_beyond_is_committed_too(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 5, 6, 8)
        await b.take(3)
        b.finish(6)
        await b.consumer.commits.get()
        assert b.consumer.group[ZERO] == Offset(5, encode(5, {1: Progress(finished=(range(6, 8),))}).text)


async def test_what_a_predecessor_finished_is_not_delivered_again_and_its_attempts_count(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench(monkeypatch) as b:
        await b.loop.revoked(frozenset({ZERO, ONE}))
        before = Progress(finished=(range(101, 103), range(104, 105)), attempts={100: AttemptRecord(2, 500)})
        b.consumer.group[ONE] = Offset(100, encode(100, {1: before}).text)
        await b.loop.assigned(frozenset({ONE}))
        b.consumer.give(ONE, 100, 101, 102, 103, 104)
        await b.take(2)
        assert set(b.taken) == {100, 103}
        assert b.taken[100].share.attempt_record(100) == AttemptRecord(2, 500)
        b.finish(100)
        assert await b.consumer.commits.get() == {ONE: 103}
        b.finish(103)
        assert await b.consumer.commits.get() == {ONE: 105}


async def test_partition_that_goes_to_another_member_is_held_committed_and_then_dropped(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 0, 1)
        await b.take(2)
        b.target.is_idle.clear()
        revoking = asyncio.ensure_future(b.loop.revoked(frozenset({ZERO, ONE})))
        await asyncio.sleep(0)
        assert b.target.held == {ZERO, ONE}
        b.finish(0)
        await revoking
        assert await b.consumer.commits.get() == {ZERO: 1}
        assert b.target.dropped == []
        await b.loop.assigned(frozenset({ONE}))
        assert b.target.dropped == [ZERO]
        assert b.taken[1].partition.lost
        assert b.target.held == {ZERO}


async def test_partition_that_comes_back_goes_on_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, buffered=3) as b:
        b.consumer.give(ZERO, 0, 1, 2)
        await b.take(3)
        await b.loop.revoked(frozenset({ZERO, ONE}))
        b.consumer.paused.clear()
        b.finish(1)  # in flight all the time
        await b.loop.assigned(frozenset({ZERO}))
        assert (b.consumer.sought, b.consumer.paused, b.target.dropped) == ({ZERO: 3}, {ZERO}, [ONE])
        assert not b.target.held - {ONE}
        assert await b.consumer.commits.get() == {ZERO: 0}
        b.finish(0, 2)
        assert await b.consumer.commits.get() == {ZERO: 3}


async def test_partition_that_another_member_worked_on_is_begun_afresh(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 0, 1)
        await b.take(2)
        await b.loop.revoked(frozenset({ZERO, ONE}))
        b.consumer.group[ZERO] = Offset(1)
        await b.loop.assigned(frozenset({ZERO}))
        assert b.taken[0].partition.lost
        assert sorted(b.target.dropped) == [ZERO, ONE]
        b.consumer.give(ZERO, 1)
        await b.take(1)
        b.finish(1)
        assert await b.consumer.commits.get() == {ZERO: 2}


async def test_reading_begins_without_knowing_what_was_done_when_nobody_tells(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    for name in ("COMMITTED_LIMIT", "COMMITTED_RETRY"):
        monkeypatch.setattr(consume_loop, name, 0.001)

    async def away(_: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        raise KafkaError("away")

    async with bench(monkeypatch) as b:
        monkeypatch.setattr(b.consumer, "committed", away)
        await b.loop.assigned(frozenset({ZERO}))
        b.consumer.give(ZERO, 0)
        await b.take(1)
    assert "records may be delivered again: away" in caplog.text


async def test_partition_whose_note_grows_too_long_pauses_until_it_is_short_again(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name, length in (("NOTE_FULL", 30), ("NOTE_ROOM", 20)):
        monkeypatch.setattr(f"pywatt_services.kafka_hooks.consuming.partition_state.{name}", length)
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, *range(40))
        await b.take(40)
        b.finish(*range(1, 40, 2))
        await b.consumer.commits.get()
        b.consumer.give(ZERO, 40)
        await b.take(1)
        assert b.consumer.paused == {ZERO}
        b.finish(*range(0, 38, 2))
        assert await b.consumer.commits.get() == {ZERO: 38}
        assert b.consumer.paused == set()


async def test_records_of_a_partition_that_is_not_ours_any_more_are_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch) as b:
        await b.loop.revoked(frozenset({ZERO}))
        b.consumer.give(ZERO, 0)
        b.consumer.give(ONE, 100)
        await b.take(1)
        assert set(b.taken) == {100}


async def test_reading_that_went_back_begins_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(monkeypatch) as b:
        b.consumer.give(ZERO, 50)
        await b.take(1)
        b.consumer.give(ZERO, 0)
        await b.take(1)
        assert b.taken[50].partition.lost
        assert b.target.dropped == [ZERO]
        b.finish(0)
        assert await b.consumer.commits.get() == {ZERO: 1}
    assert "orders[0] is read again from an earlier offset" in caplog.text


@pytest.mark.parametrize("idle", [True, False])
async def test_drain_commits_what_is_done_when_the_rest_is_or_time_is_up(
    monkeypatch: pytest.MonkeyPatch, idle: bool
) -> None:
    target = Target()
    start_offsets = StartOffsets(ConsumerOptions(group_id="hooks"))
    loop = ConsumeLoop(
        lambda listener: Consumer(), {"orders": [target]}, buffered_records=100, start_offsets=start_offsets
    )
    b = Bench(loop, target)
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        await b.loop.assigned(frozenset({ZERO}))
        tasks.start_soon(b.loop.run)
        b.consumer.give(ZERO, 0, 1)
        await b.take(2)
        tasks.cancel_scope.cancel()
    if not idle:
        b.target.is_idle.clear()
    b.finish(0)
    await b.loop.drain(0.001)
    assert b.target.stopped
    assert b.consumer.commits.get_nowait() == {ZERO: 1}


async def test_latest_skips_only_where_nothing_is_committed(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, start_at=StartAt.LATEST) as b:
        assert b.consumer.sought == {ZERO: 7}
        assert await b.consumer.commits.get() == {ZERO: 7}


async def test_latest_begins_at_the_first_record_of_a_partition_that_appears(monkeypatch: pytest.MonkeyPatch) -> None:
    async with bench(monkeypatch, start_at=StartAt.LATEST) as b:
        two = TopicPartition("orders", 2)
        b.consumer.new.add(two)
        await b.loop.revoked(frozenset({ZERO, ONE}))
        await b.loop.assigned(frozenset({ZERO, ONE, two}))
        assert two in b.loop.held
        assert two not in b.consumer.sought


async def test_nothing_is_skipped_when_the_end_cannot_be_found(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    async with bench(monkeypatch, start_at=StartAt.LATEST, errors=[KafkaError("away")]) as b:
        assert b.consumer.sought == {}
    assert "reading begins at the earliest records" in caplog.text


async def test_partition_without_a_committed_offset_is_not_read_when_that_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    reasons: list[str | None] = []
    async with bench(monkeypatch, start_at=StartAt.FAIL, reasons=reasons) as b:
        assert set(b.loop.held) == {ONE}
        assert b.consumer.paused == {ZERO}
        (reason,) = reasons
        assert reason is not None
        assert reason.startswith("orders[0]: not read, as the group hooks has committed nothing there")
        assert reason in caplog.text
        b.consumer.give(ZERO, 0)
        b.consumer.give(ONE, 100)
        await b.take(1)
        assert set(b.taken) == {100}
        await b.loop.revoked(frozenset({ONE}))
        await b.loop.assigned(frozenset({ONE}))
        assert reasons == [reason, None]


async def test_partition_is_not_read_before_it_is_known_what_was_committed_when_nothing_is_a_mistake(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for name in ("COMMITTED_LIMIT", "COMMITTED_RETRY"):
        monkeypatch.setattr(consume_loop, name, 0.001)
    there = asyncio.Event()
    reasons: list[str | None] = []
    ask = Consumer.committed

    async def committed(self: Consumer, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        if not there.is_set():
            raise KafkaError("away")
        return await ask(self, partitions)

    monkeypatch.setattr(Consumer, "committed", committed)
    async with bench(monkeypatch, start_at=StartAt.FAIL, reasons=reasons) as b:
        assert not b.loop.held
        assert reasons == [
            "orders[0], orders[1]: not read, as it is not known what the group hooks has committed there"
        ]
        there.set()
        b.consumer.give(ONE, 100)
        await b.take(1)
        assert set(b.taken) == {100}
        assert (b.consumer.paused, b.consumer.sought) == ({ZERO}, {ONE: 100})
        assert reasons[-1] is not None
        assert reasons[-1].startswith("orders[0]: not read, as the group hooks has committed nothing")


async def test_reading_begins_where_it_is_told_to(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    given = [GivenOffset(topic="orders", partition=0, offset=3), GivenOffset(topic="orders", partition=1, offset=4)]
    async with bench(monkeypatch, start_at=StartAt.FAIL, offsets=given) as b:
        assert b.consumer.sought == {ZERO: 3}, "what is committed comes first"
        b.consumer.give(ZERO, 3)
        await b.take(1)
        b.finish(3)
        assert await b.consumer.commits.get() == {ZERO: 4}
    assert caplog.text == ""
    given = [GivenOffset(topic="orders", partition=0, offset=99)]
    async with bench(monkeypatch, offsets=given) as b:
        assert b.consumer.sought == {ZERO: 7}
    assert "orders[0] ends at 7: it begins there, not at 99" in caplog.text
    async with bench(monkeypatch, offsets=given, errors=[KafkaError("away")]) as b:
        assert b.consumer.sought == {ZERO: 99}
