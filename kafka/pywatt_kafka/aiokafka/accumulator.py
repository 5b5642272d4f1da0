"""aiokafka's queue of batches, extended to continue after a batch that the broker rejects. Imports aiokafka.

A rejected batch leaves a gap in the sequence numbers of an idempotent producer, and the broker then accepts no later
batch of that partition. So the next epoch of the producer id begins, as in Java's client, in which every partition
counts from 0 again. This is safe because aiokafka has at most one batch per partition in flight, which keeps its old
numbers through all its attempts and ends before the partition's next one is sent.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from aiokafka.errors import (
    NotEnoughReplicasAfterAppendError,
    NotEnoughReplicasError,
    OutOfOrderSequenceNumber,
    UnknownProducerId,
)
from aiokafka.producer.message_accumulator import BatchBuilder, MessageAccumulator, MessageBatch
from aiokafka.producer.sender import SendProduceReqHandler
from aiokafka.producer.transaction_manager import NO_PRODUCER_EPOCH, NO_PRODUCER_ID, PidAndEpoch
from aiokafka.record.default_records import DefaultRecordBatch
from aiokafka.util import create_future

from pywatt_kafka.aiokafka.errors import describe_error, translate
from pywatt_kafka.errors import InvalidRecord, RecordTooLarge

LAST_EPOCH = 2**15 - 1


RETRY_REASONS = {
    NotEnoughReplicasError: "fewer replicas are in sync than min.insync.replicas asks for",
    NotEnoughReplicasAfterAppendError: "fewer replicas have it than min.insync.replicas asks for",
}


def _watch_retries() -> None:
    """Make batches record why they are retried: aiokafka only logs it."""
    original = SendProduceReqHandler._can_retry
    if hasattr(original, "__wrapped__"):
        return

    @functools.wraps(original)
    def can_retry(self: Any, error: Exception, batch: Any) -> bool:
        again = bool(original(self, error, batch))
        if again and isinstance(batch, _Batch):
            batch.note(error)
        return again

    SendProduceReqHandler._can_retry = can_retry


def install(producer: Any) -> Accumulator:
    """Replace the queue of an AIOKafkaProducer that is not started yet; return the new one."""
    _watch_retries()
    made = Accumulator(producer._message_accumulator)
    producer._message_accumulator = producer._sender._message_accumulator = made
    return made


class Accumulator(MessageAccumulator):  # type: ignore[misc]
    """The queue of one AIOKafkaProducer."""

    def __init__(self, plain: Any) -> None:
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

    def _append_batch(self, builder: Any, tp: Any) -> Any:
        batch = _Batch(self, tp, builder)
        self._batches[tp].append(batch)
        if not self._waiter_future.done():
            self._waiter_future.set_result(None)
        return batch

    def resend(self, batch: _Batch, error: Exception) -> bool:
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

    def _send_again(self, batch: _Batch, size: int) -> None:
        """Queue the records of a batch before all others of its partition, in their order, `size` records per batch."""
        records = list(zip(DefaultRecordBatch(bytes(batch.get_data_buffer())), batch.take_futures(), strict=True))
        parts = [self._part(batch, records[start : start + size]) for start in range(0, len(records), size)]
        self._batches[batch.tp].extendleft(reversed(parts))
        # for callers of flush
        parts[-1].future.add_done_callback(lambda _: batch.future.done() or batch.future.set_result(None))

    def _part(self, batch: _Batch, records: Sequence[tuple[Any, Any]]) -> _Batch:
        # Twice the size: an odd order of timestamps could make these records longer than they were.
        builder = BatchBuilder(2 * self._batch_size, self._compression_type)
        part = _Batch(self, batch.tp, builder)
        for record, future in records:
            part.take(record, future)
        builder.close()
        return part


class _Batch(MessageBatch):  # type: ignore[misc]
    """A batch of records."""

    def __init__(self, accumulator: Accumulator, tp: Any, builder: Any) -> None:
        super().__init__(tp, builder, accumulator._batch_ttl, accumulator._linger_time)
        self._accumulator = accumulator

    def note(self, error: Exception) -> None:
        """Record why the batch is retried."""
        self._accumulator.retry_reasons[self.tp.topic] = RETRY_REASONS.get(type(error)) or describe_error(error)

    def done(self, *arguments: Any, **options: Any) -> None:
        """Complete the futures of the acknowledgements."""
        if self._accumulator.retry_reasons:
            self._accumulator.retry_reasons.pop(self.tp.topic, None)
        super().done(*arguments, **options)

    def take_futures(self) -> list[Any]:
        """Return the futures of the acknowledgements; the caller completes them from now on."""
        futures = [future for future, _ in self._msg_futures]
        self._msg_futures.clear()
        return futures

    def take(self, record: Any, future: Any) -> None:
        """Add a record of another batch, with the future of its acknowledgement."""
        metadata = self._builder.append(
            timestamp=record.timestamp, key=record.key, value=record.value, headers=record.headers
        )
        self._msg_futures.append((future, metadata))

    def failure(self, exception: Exception) -> None:
        """Fail the records, unless they go into new batches."""
        if self.retry_count and self._accumulator.resend(self, exception):
            return
        super().failure(exception)
        self.future.exception()  # else the loop logs that nobody has retrieved it


class _Pending(set[Any]):
    """Batches in flight. aiokafka removes one twice when it expires during the pause before its next attempt."""

    def remove(self, batch: Any) -> None:
        """Remove a batch, if it is there."""
        self.discard(batch)
