"""aiokafka's queue of batches, extended to continue after a batch that the broker rejects. Imports aiokafka.

A rejected batch leaves a gap in the sequence numbers of an idempotent producer, and the broker then accepts no later
batch of that partition. So the next epoch of the producer id begins, as in Java's client, in which every partition
counts from 0 again. This is safe because aiokafka has at most one batch per partition in flight, which keeps its old
numbers through all its attempts and ends before the partition's next one is sent.
"""

from __future__ import annotations

import asyncio
import functools
import itertools
from collections.abc import Sequence
from typing import Any

from aiokafka.errors import (
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.util import create_future

from pywatt_kafka.aiokafka.batch import Batch
from pywatt_kafka.aiokafka.errors import translate
from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.engine.settings import ProducerSettings
from pywatt_kafka.errors import InvalidRecord, KafkaUnavailable, RecordTooLarge
from pywatt_kafka.records import OutgoingRecord

LAST_EPOCH = 2**15 - 1
EXPIRY_INTERVAL = 0.05  # seconds between checks for records that have waited too long


def _watch_retries() -> None:
    """Make batches record why they are retried: aiokafka only logs it."""
    original = SendProduceReqHandler._can_retry
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def can_retry(self: Any, error: Exception, batch: Any) -> bool:
        again = bool(original(self, error, batch))
        if again and isinstance(batch, Batch):
            batch.note(error)
        return again

    SendProduceReqHandler._can_retry = can_retry


def install(producer: Any, settings: ProducerSettings, kind: type[Accumulator] | None = None) -> Accumulator:
    """Replace the queue of an AIOKafkaProducer that is not started yet; return the new one, of the class `kind`."""
    _watch_retries()
    made = (kind or Accumulator)(producer._message_accumulator, settings)
    producer._message_accumulator = producer._sender._message_accumulator = made
    return made


class Accumulator(MessageAccumulator):  # type: ignore[misc]
    """The queue of one AIOKafkaProducer."""

    def __init__(self, plain: Any, settings: ProducerSettings) -> None:
        """`plain`: the queue that this one replaces."""
        super().__init__(
            plain._cluster,
            plain._batch_size,
            plain._compression_type,
            plain._batch_ttl,
            txn_manager=plain._txn_manager,
            linger_ms=plain._linger_time * 1000,
        )
        self._pending_batches = _Pending()
        self.retry_reasons: dict[str, str] = {}
        """Reason for which the last batch of a topic is being retried, by topic."""
        self.failure = settings.failure
        self.buffered = 0
        """Bytes of the records in unfinished batches."""
        self._limit = settings.buffer_bytes
        self._timeout = settings.request_timeout
        self._room = asyncio.Event()
        self._room.set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, tp: Any, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add a record to the last batch of its partition, or to a new one; return False if there is no room."""
        if self.buffered >= self._limit:
            self._room.clear()
            return False
        if self._closed or self._exception is not None:
            return False
        _, value, key, headers, _, timestamp, _ = record
        batches = self._batches.get(tp)
        if batches and batches[-1].add(key, value, timestamp, headers, done):
            return True
        if self._timer is None:
            self._timer = self._loop.call_later(EXPIRY_INTERVAL, self._expire)
        batch = self._batch(tp, self.create_builder())
        added = batch.add(key, value, timestamp, headers, done)
        self._batches[tp].append(batch)
        if not self._waiter_future.done():
            self._waiter_future.set_result(None)
        return bool(added)

    async def room(self) -> None:
        """Wait until there is room for a record. Raises KafkaUnavailable when this queue takes no more records."""
        await self._room.wait()
        if self._closed or self._exception is not None:
            raise KafkaUnavailable("the client failed and is being replaced")

    def made_room(self) -> None:
        """Let those continue who wait for room, if there is some."""
        if self.buffered < self._limit:
            self._room.set()

    async def flush(self) -> None:
        """Send the records without waiting for more of their batches; return when they have an outcome."""
        waiting: list[asyncio.Future[None]] = []
        for batch in [*itertools.chain.from_iterable(self._batches.values()), *self._pending_batches]:
            batch._builder.close()
            waiting.append(batch.settled())
        if not self._waiter_future.done():
            self._waiter_future.set_result(None)  # wakes the sender
        if waiting:
            await asyncio.wait(waiting)

    def fail_all(self, exception: Exception) -> None:
        """Fail all records that are left, and take no further ones; their callbacks may try to add some."""
        self._exception = exception
        for batch in [*itertools.chain.from_iterable(self._batches.values()), *self._pending_batches]:
            batch.failure(exception)
        self._room.set()

    def end(self) -> None:
        """Fail all records that are left: the producer is being closed."""
        self.fail_all(KafkaUnavailable("the producer was closed"))
        if self._timer is not None:
            self._timer.cancel()

    def _expire(self) -> None:
        """Fail the records that have waited for too long, and drop the batches that only had such and were never sent.

        (aiokafka keeps the batches of an idempotent producer for ever.)
        """
        self._timer = None
        now = self._loop.time()
        deadline = now + self._timeout
        for tp, batches in list(self._batches.items()):
            for batch in list(batches):
                if batch.expire(now, deadline) and not batch.retry_count and not batch.is_empty():
                    batches.remove(batch)
                    batch.done_noack()
            if not batches and self._batches.get(tp) is batches:
                del self._batches[tp]
        for batch in list(self._pending_batches):
            batch.expire(now, deadline)
        if self._batches or self._pending_batches:
            self._timer = self._loop.call_later(EXPIRY_INTERVAL, self._expire)

    def _batch(self, tp: Any, builder: Any) -> Batch:
        return Batch(self, tp, builder, self._batch_ttl, self._linger_time)

    def resend(self, batch: Batch, error: Exception) -> bool:
        """Put the records of a rejected batch into new batches where that helps; return whether it was done."""
        self._begin_epoch()
        if batch.future.done():
            return False
        if isinstance(error, (OutOfOrderSequenceNumber, UnknownProducerId)):
            # The broker has lost the earlier batches. It always accepts the first batch of an epoch.
            if DefaultRecordBatch(bytes(batch.get_data_buffer())).base_sequence == 0:
                return False
            self._send_again(batch, batch.record_count)
            return True
        if batch.record_count > 1 and isinstance(translate(error, during=""), (InvalidRecord, RecordTooLarge)):
            self._send_again(batch, (batch.record_count + 1) // 2)  # halving finds the rejected record
            return True
        return False

    def _begin_epoch(self) -> None:
        manager = self._txn_manager
        if manager is None:
            return
        producer_id, epoch = manager._pid_and_epoch
        manager._sequence_numbers.clear()
        if epoch < LAST_EPOCH:
            manager._pid_and_epoch = PidAndEpoch(producer_id, epoch + 1)
        else:  # the sender asks for another id before it sends more
            manager._pid_and_epoch = PidAndEpoch(NO_PRODUCER_ID, NO_PRODUCER_EPOCH)
            manager._pid_waiter = create_future()

    def _send_again(self, batch: Batch, size: int) -> None:
        """Queue the records of a batch before all others of its partition, in their order, `size` records per batch."""
        records = list(zip(DefaultRecordBatch(bytes(batch.get_data_buffer())), batch.take_callbacks(), strict=True))
        parts = [self._part(batch, records[start : start + size]) for start in range(0, len(records), size)]
        self._batches[batch.tp].extendleft(reversed(parts))
        # for callers of flush
        parts[-1].future.add_done_callback(lambda _: batch.future.done() or batch.future.set_result(None))
        parts[-1].settled().add_done_callback(lambda _: batch.settle())

    def _part(self, batch: Batch, records: Sequence[tuple[Any, Any]]) -> Batch:
        # Twice the size: an odd order of timestamps could make these records longer than they were.
        builder = BatchBuilder(2 * self._batch_size, self._compression_type)
        part = self._batch(batch.tp, builder)
        for record, done in records:
            part.take(record, done)
        builder.close()
        return part


class _Pending(set[Any]):
    """Batches in flight. aiokafka removes one twice when it expires during the pause before its next attempt."""

    def remove(self, batch: Any) -> None:
        """Remove a batch, if it is there."""
        self.discard(batch)
