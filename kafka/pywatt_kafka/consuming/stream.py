"""The stream of a consumer's records: an async iterator over the partitions that the group assigns to it."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeAlias, TypeVar, overload

import anyio
from anyio.abc import TaskGroup

from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.consuming.assigned_partition import LOST, AssignedPartition
from pywatt_kafka.consuming.assignment_listener import AssignmentListener
from pywatt_kafka.consuming.assignments import Assignments, Target, lag_of, sought_offsets
from pywatt_kafka.consuming.commit_queue import CommitQueue
from pywatt_kafka.consuming.decoding import Decoder
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.consuming.message_batch import MessageBatch
from pywatt_kafka.consuming.processor import DRAIN_LIMIT, Handler, Order, Processor
from pywatt_kafka.consuming.start_positions import Fallback, Mode
from pywatt_kafka.consuming.stream_events import EventHandler, EventName, StreamEvents
from pywatt_kafka.consuming.stream_message import Record, StreamMessage
from pywatt_kafka.errors import CommitFailed, KafkaError, SerializationFailed
from pywatt_kafka.records import Message, Offset, TopicPartition

logger = logging.getLogger("pywatt_kafka")

FETCH_TIMEOUT = 1.0  # seconds
FETCH_RECORDS = 500
BATCH_TIMEOUT = 1.0  # seconds
CLOSE_LIMIT = 5.0  # seconds for the last commits

K = TypeVar("K")
V = TypeVar("V")
Taken: TypeAlias = tuple[StreamMessage[K, V] | None, Record, AssignedPartition]


class ConsumerStream(Generic[K, V]):
    """The records of some topics, read as a member of a group; made by `Consumer.consume`.

        async for message in stream:
            print(message.value)
            await message.commit()

    Keeps the order of each partition. The group keeps this member however long the body of the loop takes. Nothing is
    committed by itself. One task at a time may read.
    """

    def __init__(
        self,
        make_reader: Callable[[AssignmentListener], GroupReader],
        decoder: Decoder[K, V],
        *,
        mode: Mode,
        fallback: Fallback,
        rebalance_limit: float,
    ) -> None:
        """`make_reader` takes the listener of the new reader. `rebalance_limit`: as for CommitQueue."""
        self._commits = CommitQueue(self._send, rebalance_limit=rebalance_limit)
        self._assignments = Assignments(self._commits, mode=mode, fallback=fallback)
        self._reader = reader = self._assignments.reader = self._commits.reader = make_reader(self._assignments)
        self._decoder = decoder
        self._context = ContextTask(self._live())
        self._lifecycle = Lifecycle(f"stream of {reader.group_id}")
        self._tasks: TaskGroup
        self._fetched: deque[tuple[AssignedPartition, int, Iterator[Any]]] = deque()
        """Items, or messages to deserialize, with the epoch of their partition when they were fetched. The rest of the
        first ones is kept when an iteration is left, for the next one."""
        self._fetching = False
        self._processor: Processor[K, V] | None = None
        self._events = StreamEvents(self._assignments)
        self._reading: asyncio.Future[None] | None = None
        """The task that reads for the handlers of `data`."""
        self._closed = asyncio.Event()

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that are assigned to this member."""
        return self._reader.assignment

    @property
    def is_open(self) -> bool:
        """True until it is closed."""
        return self._lifecycle.loop is not None

    @property
    def connected(self) -> bool:
        """True while the cluster answers and the group reports no error."""
        return self._reader.connected

    async def wait_assigned(self) -> None:
        """Wait, without a limit, until the group has given this member its partitions and their start is known."""
        self._lifecycle.check()
        await self._assignments.decided.wait()

    async def open(self) -> None:
        """Join the group; called by `Consumer.consume`. Raises MissingDependency."""
        self._lifecycle.begin()
        await self._context.enter()

    async def close(self) -> None:
        """End the iteration, finish the commits under way and leave the group. Closing again does nothing."""
        if self._lifecycle.end():
            await self._context.leave()
            self._closed.set()
            if self._reading is not None and self._reading is not asyncio.current_task():
                self._reading.cancel()
                await asyncio.wait({self._reading})

    def __aiter__(self) -> AsyncIterator[StreamMessage[K, V]]:
        """Yield the records one by one until the stream is closed.

        Raises NotAuthorized, OffsetOutOfRange (with fallback="fail"), SerializationFailed, or another KafkaError that
        waiting does not help against; iterating again continues at the same record.
        """
        return records_of(self._itself())

    async def _itself(self) -> ConsumerStream[K, V]:
        return self

    async def batches(self, size: int, timeout: float = BATCH_TIMEOUT) -> AsyncIterator[MessageBatch[K, V]]:
        """Yield lists of up to `size` records, at most `timeout` seconds after the first of them, until closed.

        `await batch.commit()` commits them all. Raises as the iteration does.
        """
        self._lifecycle.check()
        clock = asyncio.get_running_loop().time
        while self.is_open:
            batch: MessageBatch[K, V] = MessageBatch()
            partitions: set[AssignedPartition] = set()
            deadline: float | None = None
            while len(batch) < size and await self._ready(deadline):
                room = size - len(batch)
                partitions.add(self._fetched[0][0])
                if self._decoder.deserializers is None:
                    batch += self._plain_items(room)
                else:
                    batch += [item for item, _, _ in await self._items(room) if item is not None]
                if deadline is None and batch:
                    deadline = clock() + timeout
            if any(partition.tenure is LOST for partition in partitions):
                batch.drop_lost()
            if batch and self.is_open:
                yield batch

    async def process(
        self,
        handler: Handler[K, V],
        *,
        concurrency: int = 50,
        order: Order = "key",
        retries: int = 3,
        retry_delay: float = 1.0,
        dlq: str | None = None,
    ) -> None:
        """Run a handler for each record, `concurrency` at a time, until the stream is closed; commits by itself.

        `order`: records of one `key` (or of one `partition`) are handled one after the other; those without a key in
        any order. A handler that raises is run again up to `retries` times, after `retry_delay` seconds, doubled each
        time; meanwhile only the records of the same key wait. Then the record is written to the topic `dlq`; without
        one, its error is raised here. A record is committed once it and all before it are done; what is done beyond
        that travels in the commit's metadata and is not repeated after a crash. Raises as the iteration does.
        """
        self._lifecycle.check()
        if self._processor is not None:
            raise KafkaError("the stream is being processed already", hint="raise `concurrency` instead")
        processor = self._processor = self._assignments.user = Processor(
            self,
            handler,
            concurrency=concurrency,
            order=order,
            retries=retries,
            retry_delay=retry_delay,
            dlq=dlq,
            letters=self._decoder.dead_letters,
        )
        try:
            await processor.run()
        finally:
            self._processor = self._assignments.user = None

    @overload
    def on(self, event: EventName, handler: EventHandler) -> EventHandler: ...
    @overload
    def on(self, event: EventName) -> Callable[[EventHandler], EventHandler]: ...
    def on(self, event: EventName, handler: EventHandler | None = None) -> Any:
        """Call a handler, plain or async, for each event; usable as a decorator.

        `data` begins to read, and awaits the handler for one record after the other. `error`: the error that has ended
        reading, that of a handler included; without such a handler it is logged. `assigned`, `revoked`: partitions.
        """
        self._lifecycle.check()
        if handler is None:
            return partial(self.on, event)
        self._events.add(event, handler)
        if event == "data" and self._reading is None:
            self._reading = asyncio.ensure_future(self._events.read(self))
        return handler

    async def wait_closed(self) -> None:
        """Wait until the stream is closed, as a program does that has only handlers."""
        await self._closed.wait()

    async def seek(self, to: Target, *partitions: TopicPartition) -> None:
        """Continue at an offset, at the first record of a time or later, or at either end of the log.

        Without `partitions`, all that are assigned. Commits nothing. Raises CommitFailed for a partition that is not
        this member's, and KafkaUnavailable.
        """
        self._lifecycle.check()
        held = self._held(partitions)
        for place, offset in (await sought_offsets(self._reader, to, held)).items():
            if held[place] is self._assignments.held.get(place):
                self._assignments.seek(held[place], offset)

    def pause(self, *partitions: TopicPartition) -> None:
        """Stop reading these partitions, at once, until they are resumed or another member's; without any: all."""
        self._lifecycle.check()
        self._assignments.pause(partitions or tuple(self._assignments.held))

    def resume(self, *partitions: TopicPartition) -> None:
        """Read these partitions again; without any: all."""
        self._lifecycle.check()
        self._assignments.resume(partitions or tuple(self._assignments.held))

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Return the number of records of each assigned partition that were not read yet. Raises KafkaUnavailable."""
        self._lifecycle.check()
        held = dict(self._assignments.held)
        if not held:
            return {}
        return lag_of(held, await self._reader.begin_offsets(held), await self._reader.end_offsets(held))

    async def next_items(self) -> Sequence[Taken[K, V]] | None:
        """Return the next records of one partition; None when the stream is closed. Part of Source."""
        return await self._items(FETCH_RECORDS) if await self._ready() else None

    def commit_soon(self, partition: AssignedPartition, offset: Offset) -> asyncio.Future[None] | None:
        """Commit an offset with the next request. Part of Source."""
        return self._commits.add(partition, offset)

    def pause_full(self, place: TopicPartition) -> None:
        """Stop reading a partition for want of room. Part of Source."""
        self._assignments.pause([place])

    def resume_full(self, place: TopicPartition) -> None:
        """Read a partition again. Part of Source."""
        self._assignments.resume([place])

    async def _items(self, limit: int) -> Sequence[Taken[K, V]]:
        """Take up to `limit` of the records that are at hand, with their items; None for those to be passed over."""
        if self._decoder.deserializers is None:
            return [(item, item, item.assigned) for item in self._plain_items(limit)]
        partition, epoch, messages = self._fetched[0]
        found: list[Taken[K, V]] = []
        for message in messages:
            if partition.epoch != epoch:
                return found
            try:
                item = await self._decoded(partition, message)
            except SerializationFailed:
                if found:
                    return found  # the next call raises it again
                raise
            if partition.epoch != epoch:
                return found
            partition.yielded = message
            found.append((item, message, partition))
            if len(found) == limit:
                return found
        self._fetched.popleft()
        return found

    def _plain_items(self, limit: int) -> list[StreamMessage[K, V]]:
        """Take up to `limit` of the records that are at hand, whose keys and values stay bytes."""
        partition, _, items = self._fetched[0]
        found: list[Any] = list(islice(items, limit))
        if found:
            partition.yielded = found[-1]
        if len(found) < limit:
            self._fetched.popleft()
        return found

    async def _ready(self, deadline: float | None = None) -> bool:
        """Wait until there are records to hand out; return False when the stream is closed, or at the deadline."""
        fetched = self._fetched
        while self._lifecycle.loop is not None:
            while fetched:
                partition, epoch, _ = fetched[0]
                if partition.epoch == epoch:
                    return True
                fetched.popleft()
            timeout = FETCH_TIMEOUT
            if deadline is not None:
                timeout = min(timeout, deadline - asyncio.get_running_loop().time())
                if timeout <= 0:
                    return False
            if self._fetching:
                raise KafkaError("another task reads this stream", hint="read it in one task, or use process()")
            self._fetching = True
            try:
                await self._fetch(timeout)
            finally:
                self._fetching = False
        return False

    async def _decoded(self, partition: AssignedPartition, message: Message) -> StreamMessage[K, V] | None:
        try:
            return await self._decoder.decode(partition, message)
        except BaseException:  # a cancellation too
            partition.move(message.offset)  # it is the next one again
            self._assignments.go_back(partition)
            raise

    async def _fetch(self, timeout: float) -> None:
        assignments = self._assignments
        await assignments.decide()
        if (failure := assignments.refusal or self._reader.status.failure) is not None:
            raise failure
        before = {place: partition.epoch for place, partition in assignments.held.items()}
        epoch = assignments.epoch
        batches = await self._reader.fetch(timeout=timeout, max_records=FETCH_RECORDS)
        changed = assignments.epoch != epoch
        if not batches and not changed:
            assignments.skip_undeliverable()
        for place, messages in batches.items():
            partition = assignments.held.get(place)
            if partition is None:
                continue  # given up meanwhile: its new owner reads them again
            position = partition.position
            if changed and position is not None and before.get(place, partition.epoch) != partition.epoch:
                assignments.go_back(partition)  # they may have been fetched before
                continue
            if position is not None and messages[0].offset < position:
                partition = assignments.begin_again(partition)
            self._fetched.append((partition, partition.epoch, self._decoder.prepared(messages, partition)))

    async def _send(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        await self._reader.commit(offsets)

    def _held(self, places: Sequence[TopicPartition]) -> Mapping[TopicPartition, AssignedPartition]:
        held = self._assignments.held
        for place in places:
            if place not in held:
                raise CommitFailed(f"{place.topic}[{place.partition}] is not assigned to this consumer")
        return {place: held[place] for place in places or held}

    @asynccontextmanager
    async def _live(self) -> AsyncIterator[None]:
        """Open the reader and send commits; close in the reverse order."""
        async with anyio.create_task_group() as self._tasks:
            self._tasks.start_soon(self._commits.run)
            async with self._reader:
                try:
                    yield
                finally:
                    if self._processor is not None:
                        self._processor.stop()
                        with anyio.move_on_after(DRAIN_LIMIT, shield=True):
                            await self._processor.drained()
                    with anyio.move_on_after(CLOSE_LIMIT, shield=True):
                        await self._commits.idle()
            self._assignments.give_up()
            self._tasks.cancel_scope.cancel()


async def records_of(opening: Awaitable[ConsumerStream[K, V]]) -> AsyncIterator[StreamMessage[K, V]]:
    """Iterate over a stream once it is open, in a single generator: another one around it would double the cost."""
    stream = await opening
    stream._lifecycle.check()
    fetched = stream._fetched
    decodes = stream._decoder.deserializers is not None
    while await stream._ready():
        partition, epoch, records = fetched[0]
        for record in records:
            if partition.epoch != epoch:
                break
            if not decodes:
                partition.yielded = record
                yield record
                continue
            item = await stream._decoded(partition, record)
            if partition.epoch != epoch:
                break
            partition.yielded = record
            if item is not None:
                yield item
        if fetched and fetched[0][2] is records:
            fetched.popleft()
