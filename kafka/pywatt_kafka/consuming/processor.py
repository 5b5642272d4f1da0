"""Processes the records of a stream side by side, in the order of their keys, with retries and dead letters.

A record is committed once it and all before it in its partition are done. What is done beyond that travels in the
commit's metadata, so that a successor does not repeat it.
"""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import deque
from collections.abc import Awaitable, Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Generic, Literal, Protocol, TypeAlias, TypeVar

import anyio

from pywatt_kafka.backoff import backoff
from pywatt_kafka.consuming.assigned_partition import HELD, LOST, AssignedPartition
from pywatt_kafka.consuming.stream_message import Record, StreamMessage, message_of
from pywatt_kafka.errors import CommitFailed, KafkaError
from pywatt_kafka.processing.commit_metadata import NO_PROGRESS, AttemptRecord, decode, encode
from pywatt_kafka.processing.dead_letter_writer import DeadLetterWriter, Failure, failure_of
from pywatt_kafka.processing.delay_queue import DelayQueue
from pywatt_kafka.processing.key_queues import RUNNING, KeyQueue, KeyQueues
from pywatt_kafka.processing.offset_tracker import OffsetTracker
from pywatt_kafka.records import Offset, TopicPartition

Order: TypeAlias = Literal["key", "partition", "none"]
"""Records that are processed one after the other: those of a key, of a partition, or none."""

COMMIT_INTERVAL = 0.25  # seconds from the first record that is done to the commit
LONGEST_BACKOFF = 60.0  # seconds between two attempts
KEPT_FAILURES = 10  # of the last attempts, for the dead letter
LIMIT = 1000  # unfinished records of a partition at which reading it pauses
SHARE = 1  # id of the progress in the commit's metadata: there is one handler
DRAIN_LIMIT = 10.0  # seconds that running handlers get to end when the stream is closed
REVOKE_GRACE = 2.0  # seconds that running handlers get to end before their partitions are given up

K = TypeVar("K")
V = TypeVar("V")
Handler: TypeAlias = Callable[[StreamMessage[K, V]], Awaitable[object] | object]


@dataclass(slots=True, eq=False)
class _Job(Generic[K, V]):
    """A record on its way through the handler."""

    item: StreamMessage[K, V]
    record: Record
    tracker: OffsetTracker
    attempts: int = 0
    failures: tuple[Failure, ...] = ()


class Source(Protocol[K, V]):
    """The stream, as the processor uses it."""

    async def next_items(self) -> Sequence[tuple[StreamMessage[K, V] | None, Record, AssignedPartition]] | None:
        """Return the next records with their items (None: to be passed over); None when the stream is closed."""
        ...

    def commit_soon(self, partition: AssignedPartition, offset: Offset) -> asyncio.Future[None] | None: ...
    def pause_full(self, place: TopicPartition) -> None: ...
    def resume_full(self, place: TopicPartition) -> None: ...


class Processor(Generic[K, V]):
    """Runs a handler for each record of a stream."""

    def __init__(
        self,
        source: Source[K, V],
        handler: Handler[K, V],
        *,
        concurrency: int,
        order: Order,
        retries: int,
        retry_delay: float,
        dlq: str | None,
        letters: Callable[[], Awaitable[DeadLetterWriter]],
    ) -> None:
        self._source = source
        self._handler = handler
        self._concurrency = concurrency
        self._order: Order = order
        self._retries = retries
        self._retry_delay = retry_delay
        self._dlq = dlq
        self._letters = letters
        self._queues: KeyQueues[_Job[K, V]] = KeyQueues(_wait_behind)
        self._trackers: dict[AssignedPartition, OffsetTracker] = {}
        self._delayed: DelayQueue[KeyQueue[_Job[K, V]]] = DelayQueue(self._retry)
        self._full: set[AssignedPartition] = set()
        self._dirty: set[AssignedPartition] = set()
        self._idle: deque[asyncio.Future[None]] = deque()
        """Workers that wait for a queue."""
        self._done = asyncio.Event()
        self._ended = False

    async def run(self) -> None:
        """Process until the stream is closed; then let the running handlers end, and commit.

        Raises the error of a handler that failed at all its attempts, if there is no dead-letter topic.
        """
        try:
            async with asyncio.TaskGroup() as tasks:
                workers = [tasks.create_task(self._process()) for _ in range(self._concurrency)]
                committing = tasks.create_task(self._commit_regularly())
                await self._read()
                self.stop()
                _, late = await asyncio.wait(workers, timeout=DRAIN_LIMIT)
                for task in (*late, committing):
                    task.cancel()
        except BaseExceptionGroup as errors:
            raise _first(errors) from None
        finally:
            self.stop()

    def stop(self) -> None:
        """Start no handler any more."""
        self._ended = True
        while self._idle:
            self._wake()

    async def drained(self) -> None:
        """Wait until no handler runs, and commit; `stop` was called before."""
        while any(queue.state is RUNNING for queue in self._queues):
            self._done.clear()
            await self._done.wait()
        for partition in list(self._trackers):
            self._commit(partition)

    async def revoked(self, partitions: Iterable[AssignedPartition]) -> None:
        """Start no handler for these partitions, let the running ones end for a moment, and commit."""
        leaving = [partition for partition in partitions if partition in self._trackers]
        for partition in leaving:
            self._queues.hold(partition)
        with anyio.move_on_after(REVOKE_GRACE):
            while any(queue.group in leaving and queue.state is RUNNING for queue in self._queues):
                self._done.clear()
                await self._done.wait()
        for partition in leaving:
            self._commit(partition)

    def skipped(self, partition: AssignedPartition, offset: int) -> None:
        """Note that nothing more is delivered before `offset`."""
        tracker = self._trackers.get(partition)
        if tracker is not None:
            tracker.skip_to(offset)
            self._note(partition)

    def settled(self) -> None:
        """Continue the partitions that were assigned again, and drop those that are lost."""
        for partition in list(self._trackers):
            if partition.tenure is LOST:
                self._queues.drop(partition)
                del self._trackers[partition]
                self._full.discard(partition)
                self._dirty.discard(partition)
            elif partition.tenure is HELD:
                self._queues.release(partition)
        self._wake()

    async def _read(self) -> None:
        while (items := await self._source.next_items()) is not None:
            for item, record, partition in items:
                self._take(item, record, partition)
            if items:
                self._wake()
                partition = items[-1][2]
                tracker = self._trackers.get(partition)
                if tracker is not None and tracker.unfinished - tracker.behind >= LIMIT:
                    self._full.add(partition)
                    self._source.pause_full(partition.place)

    def _take(self, item: StreamMessage[K, V] | None, record: Record, partition: AssignedPartition) -> None:
        offset = record.offset
        tracker = self._trackers.get(partition)
        if tracker is not None and tracker.next is not None and offset < tracker.next:
            self._queues.drop(partition)  # `seek` went back
            tracker = None
        if tracker is None:
            tracker = self._trackers[partition] = _tracker(partition, offset)
        if not tracker.take(offset):
            self._note(partition)
        elif item is None:
            tracker.finish(offset)
            self._note(partition)
        else:
            job = _Job(item, record, tracker)
            if (before := tracker.attempt_record(offset)) is not None:
                job.attempts = before.attempts
            self._queues.add(partition, self._key(record), job)

    def _key(self, record: Record) -> Hashable:
        if self._order == "partition":
            return None
        return record.offset if self._order == "none" or record.key is None else record.key

    async def _process(self) -> None:
        """Take queues and run the handler for their heads, until the stream is closed."""
        queues = self._queues
        while True:
            queue = None if self._ended else queues.take()
            if queue is None:
                if self._ended:
                    return
                waiter = asyncio.get_running_loop().create_future()
                self._idle.append(waiter)
                await waiter
                continue
            if queues.runnable:
                self._wake()
            job = queue.head
            try:
                result = self._handler(job.item)
                if inspect.isawaitable(result):
                    await result
            except Exception as error:  # noqa: BLE001  the record is tried again
                await self._failed(queue, job, error)
            else:
                self._finished(queue, job)

    async def _failed(self, queue: KeyQueue[_Job[K, V]], job: _Job[K, V], error: Exception) -> None:
        job.attempts += 1
        job.failures = (*job.failures[1 - KEPT_FAILURES :], failure_of(error, number=job.attempts))
        if job.attempts <= self._retries:
            pause = backoff(job.attempts - 1, first=self._retry_delay, longest=LONGEST_BACKOFF)
            job.tracker.try_again(job.record.offset, AttemptRecord(job.attempts, None, time.time() + pause))
            self._note(job.item.assigned)
            self._queues.park(queue)
            self._delayed.add(queue, pause)
            self._done.set()
            return
        if self._dlq is None:
            topic, partition, offset = job.record.topic, job.record.partition, job.record.offset
            error.add_note(f"while processing {topic}[{partition}] at offset {offset}, after {job.attempts} attempts")
            raise error
        letters = await self._letters()
        await letters.write(self._dlq, message_of(job.record), job.failures, attempts=job.attempts)
        self._finished(queue, job)

    def _finished(self, queue: KeyQueue[_Job[K, V]], job: _Job[K, V]) -> None:
        self._queues.finish(queue)
        partition, tracker = job.item.assigned, job.tracker
        self._done.set()
        if self._trackers.get(partition) is not tracker:
            return  # another member's now, or read again from an earlier offset
        tracker.finish(job.record.offset)
        self._note(partition)
        if partition in self._full and tracker.unfinished - tracker.behind <= LIMIT // 2:
            self._full.discard(partition)
            self._source.resume_full(partition.place)

    def _retry(self, queues: Sequence[KeyQueue[_Job[K, V]]]) -> None:
        for queue in queues:
            self._queues.unpark(queue)
        self._wake()

    def _wake(self) -> None:
        """Wake one worker, which wakes the next one if there is more to do."""
        while self._idle:
            waiter = self._idle.popleft()
            if not waiter.done():
                waiter.set_result(None)
                return

    def _note(self, partition: AssignedPartition) -> None:
        self._dirty.add(partition)

    async def _commit_regularly(self) -> None:
        try:
            while True:
                await asyncio.sleep(COMMIT_INTERVAL)
                for partition in list(self._dirty):
                    self._commit(partition)
        finally:
            for partition in list(self._dirty):
                self._commit(partition)

    def _commit(self, partition: AssignedPartition) -> None:
        """Commit the progress of a partition soon."""
        self._dirty.discard(partition)
        tracker = self._trackers.get(partition)
        position = None if tracker is None else tracker.position
        if tracker is None or position is None or partition.tenure is LOST:
            return
        text = encode(position, {SHARE: tracker.progress(position)}).text
        try:
            committed = self._source.commit_soon(partition, Offset(position, text))
        except CommitFailed:
            return  # the new owner reads from the last commit
        if committed is not None:
            committed.add_done_callback(lambda done: self._again(partition, done))

    def _again(self, partition: AssignedPartition, done: asyncio.Future[None]) -> None:
        """Commit again later when a commit has failed: records are delivered again, and none is lost."""
        if not done.cancelled() and isinstance(done.exception(), KafkaError) and partition in self._trackers:
            self._dirty.add(partition)


def _tracker(partition: AssignedPartition, first: int) -> OffsetTracker:
    """Return the tracker of a partition that begins after its committed progress, or at its first record."""
    committed = partition.committed
    if committed is None or committed.offset > first:
        return OffsetTracker(first)
    return OffsetTracker(committed.offset, decode(committed.offset, committed.metadata).get(SHARE, NO_PROGRESS))


def _wait_behind(job: _Job[Any, Any], more: int) -> None:
    job.tracker.behind += more


def _first(errors: BaseExceptionGroup[BaseException]) -> BaseException:
    first = errors.exceptions[0]
    return _first(first) if isinstance(first, BaseExceptionGroup) else first
