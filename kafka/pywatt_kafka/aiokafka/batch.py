"""A batch of aiokafka's that reports to callbacks: a future for each record would cost more than writing it does."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Protocol

from aiokafka.errors import NotEnoughReplicasAfterAppendError, NotEnoughReplicasError
from aiokafka.producer.message_accumulator import MessageBatch

from pywatt_kafka.aiokafka.errors import describe_error
from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import RecordPosition

RETRY_REASONS = {
    NotEnoughReplicasError: "fewer replicas are in sync than min.insync.replicas asks for",
    NotEnoughReplicasAfterAppendError: "fewer replicas have it than min.insync.replicas asks for",
}
UNKNOWN_OFFSET = -1

_position = partial(tuple.__new__, RecordPosition)
"""Makes a RecordPosition without its constructor, which is a call into Python."""


class Owner(Protocol):
    """The queue that a batch belongs to."""

    buffered: int
    """Bytes of the records in unfinished batches."""
    retry_reasons: dict[str, str]
    failure: Callable[[str, BaseException], KafkaError]

    def made_room(self) -> None:
        """Be told that a batch has ended."""
        ...

    def resend(self, batch: Batch, error: Exception) -> bool:
        """Put the records of a rejected batch into new batches where that helps; return whether it was done."""
        ...


class Batch(MessageBatch):  # type: ignore[misc]
    """A batch of records of one partition."""

    def __init__(self, owner: Owner, tp: Any, builder: Any, ttl: float, linger: float) -> None:
        super().__init__(tp, builder, ttl, linger)
        self._owner = owner
        self._waiting: list[Acknowledge | None] = []
        """The callbacks of the records in their order; None: it was called, as the record took too long."""
        self._deadlines: deque[tuple[float, int]] = deque()
        """Times by which the first so many records must be acknowledged."""
        self._marked = 0
        self._expired = 0
        self._bytes = 0
        self._is_settled = False
        self._settled: asyncio.Future[None] | None = None

    def settled(self) -> asyncio.Future[None]:
        """Return a future that is done once each record has an outcome.

        The batch itself may be sent again and again long after that, while no broker answers.
        """
        if self._settled is None:
            self._settled = asyncio.get_running_loop().create_future()
            self.future.add_done_callback(lambda _: self.settle())
            if self._is_settled:
                self._settled.set_result(None)
        return self._settled

    def settle(self) -> None:
        """Note that each record has an outcome."""
        self._is_settled = True
        if self._settled is not None and not self._settled.done():
            self._settled.set_result(None)

    def add(
        self,
        key: bytes | None,
        value: bytes | None,
        timestamp: int | None,
        headers: Sequence[tuple[str, bytes | None]],
        done: Acknowledge,
    ) -> bool:
        """Add a record unless the batch is full; return whether it was added."""
        builder = self._builder
        if builder._closed:
            return False
        written = builder._builder.append(builder._relative_offset, timestamp, key, value, headers)
        if written is None:
            builder._closed = True
            return False
        builder._relative_offset += 1
        self._waiting.append(done)
        size = written.size
        self._bytes += size
        self._owner.buffered += size
        return True

    def take(self, record: Any, done: Acknowledge | None) -> None:
        """Add a record of another batch, with its callback."""
        builder = self._builder
        written = builder._builder.append(
            builder._relative_offset, record.timestamp, record.key, record.value, record.headers
        )
        builder._relative_offset += 1
        self._waiting.append(done)
        self._bytes += written.size
        self._owner.buffered += written.size

    def take_callbacks(self) -> list[Acknowledge | None]:
        """Return the callbacks of the records; the caller calls them from now on."""
        waiting, self._waiting = self._waiting, []
        self._deadlines.clear()
        self._marked = self._expired = 0
        self._release()
        return waiting

    def expire(self, now: float, deadline: float) -> bool:
        """Fail the records whose deadline has come; `deadline`: that of records added since the last call.

        Return whether no record waits any longer.
        """
        waiting = self._waiting
        if len(waiting) > self._marked:
            self._marked = len(waiting)
            self._deadlines.append((deadline, self._marked))
        due = self._expired
        while self._deadlines and self._deadlines[0][0] <= now:
            due = self._deadlines.popleft()[1]
        for index in range(self._expired, due):
            done, waiting[index] = waiting[index], None
            if done is not None:
                self._report(done, self._owner.failure(self._tp.topic, TimeoutError()))
        self._expired = max(due, self._expired)
        if self._expired < len(waiting):
            return False
        if waiting:  # else they went into new batches
            self.settle()
        return True

    def note(self, error: Exception) -> None:
        """Record why the batch is retried."""
        self._owner.retry_reasons[self._tp.topic] = RETRY_REASONS.get(type(error)) or describe_error(error)

    def done(self, base_offset: int, *_: Any, **__: Any) -> None:
        """Report the positions of the records."""
        if self._owner.retry_reasons:
            self._owner.retry_reasons.pop(self._tp.topic, None)
        waiting = self._end()
        topic, partition = self._tp
        # A broker that has forgotten the batch knows that it was written, but not where.
        offset, step = (base_offset, 1) if base_offset >= 0 else (UNKNOWN_OFFSET, 0)
        report = self._report
        for done in waiting:
            if done is not None:
                report(done, _position((topic, partition, offset)))
            offset += step

    def done_noack(self) -> None:
        """Report that the records were sent to a broker that acknowledges nothing."""
        topic = self._tp.topic
        for done in self._end():
            if done is not None:
                self._report(done, RecordPosition(topic, UNKNOWN_OFFSET, UNKNOWN_OFFSET))

    def failure(self, exception: Exception) -> None:
        """Report an error for each record, unless they go into new batches."""
        if self.retry_count and self._owner.resend(self, exception):
            return
        topic, failure = self._tp.topic, self._owner.failure
        for done in self._end():
            if done is not None:
                self._report(done, failure(topic, exception))
        if not self._drain_waiter.done():
            self._drain_waiter.cancel()

    def _end(self) -> list[Acknowledge | None]:
        if not self.future.done():
            self.future.set_result(None)
        return self.take_callbacks()

    def _release(self) -> None:
        self._owner.buffered -= self._bytes
        self._bytes = 0
        self._owner.made_room()

    def _report(self, done: Acknowledge, outcome: RecordPosition | KafkaError) -> None:
        try:
            done(outcome)
        except Exception as error:  # noqa: BLE001  the caller's mistake must not keep others from their outcome
            asyncio.get_running_loop().call_exception_handler(
                {"message": f"a callback for a record of topic {self._tp.topic} failed", "exception": error}
            )
