"""Transactions of a producer: records and committed offsets that become visible together, or not at all."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Any, Protocol

import anyio

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.protocols import Acknowledge, Append
from pywatt_kafka.engine.transactions import TransactionalEngine, no_transaction
from pywatt_kafka.errors import CommitFailed, Fenced, KafkaError, KafkaUnavailable, TransactionAborted
from pywatt_kafka.producing.engine_writer import EngineWriter
from pywatt_kafka.producing.waiting_records import WaitingRecord
from pywatt_kafka.records import Offset, OutgoingRecord, RecordPosition, TopicPartition

ABORT_GRACE = 5.0  # seconds beyond the request timeout
RETRY = 0.05  # seconds until a client that is being replaced is asked for again


class GroupReading(Protocol):
    """A consumer whose offsets a transaction can commit: a GroupReader."""

    @property
    def assignment(self) -> frozenset[TopicPartition]: ...
    def group_member(self) -> GroupMember: ...


class ReadRecord(Protocol):
    """A record of a consumer's stream."""

    @property
    def topic(self) -> str: ...
    @property
    def partition(self) -> int: ...
    @property
    def offset(self) -> int: ...
    @property
    def revoked(self) -> bool: ...
    @property
    def reader(self) -> GroupReading:
        """The consumer that has read it."""
        ...


class Transaction:
    """The current transaction of a producer; `Producer.transaction` makes it."""

    def __init__(self, engine: TransactionalEngine) -> None:
        self._engine = engine
        self._open = 0
        self._failure: KafkaError | None = None
        self._settled = asyncio.Event()
        self._settled.set()

    async def commit_offsets(self, consumer: GroupReading, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit offsets of a consumer with the transaction.

        The brokers reject them when the consumer is not the owner of the partitions any more. Raises CommitFailed, or
        another KafkaError; let it leave the context, which aborts the transaction.
        """
        foreign = offsets.keys() - consumer.assignment
        if foreign:
            names = ", ".join(f"{place.topic}[{place.partition}]" for place in sorted(foreign))
            raise CommitFailed(f"committing: {names} is not assigned to this consumer")
        await self._engine.commit_offsets(consumer.group_member(), offsets)

    def count(self, done: Acknowledge) -> Acknowledge:
        """Return `done` with a count of the records without an outcome, which a commit waits for."""
        self._open += 1
        self._settled.clear()

        def counted(outcome: RecordPosition | KafkaError) -> None:
            self._open -= 1
            if isinstance(outcome, KafkaError) and self._failure is None:
                self._failure = outcome
            if not self._open:
                self._settled.set()
            done(outcome)

        return counted

    async def settle(self) -> None:
        """Wait until all records have an outcome. Raises TransactionAborted when one was not written."""
        await self._settled.wait()
        failure = self._failure
        if isinstance(failure, Fenced):
            raise failure
        if failure is not None:
            raise TransactionAborted(
                f"a record of the transaction was not written: {failure.message}", hint=failure.hint, code=failure.code
            ) from failure


class TransactionalWriter(EngineWriter):
    """Writes records in the transactions of one producer, one transaction after the other."""

    _current: Transaction | None = None
    _is_busy = False
    """A transaction is under way, or about to begin."""

    def write(self, record: OutgoingRecord, done: Acknowledge) -> WaitingRecord | None:
        """Write one record as a part of the current transaction."""
        if self._current is None:
            done(no_transaction(record.topic))
            return None
        return super().write(record, self._current.count(done))

    def write_all(self, appends: Sequence[Append]) -> list[WaitingRecord]:
        """Write records as a part of the current transaction."""
        return self._write_each(appends)

    def reserve(self, topic: str, done: Acknowledge) -> WaitingRecord:
        """Hold the place of a record that is not serialized yet. Raises KafkaError outside a transaction."""
        if self._current is None:
            raise no_transaction(topic)
        return super().reserve(topic, self._current.count(done))

    @asynccontextmanager
    async def transaction(
        self, batch: Iterable[ReadRecord], flush: Callable[[], Awaitable[None]]
    ) -> AsyncIterator[Transaction]:
        """Commit at the end of the body, with the offsets of the records that were read; abort if it raises.

        `flush` waits until all records so far have an outcome.
        """
        if self._is_busy:
            raise KafkaError(
                "a transaction of this producer is under way", hint="use a producer for each concurrent transaction"
            )
        self._is_busy = True
        try:
            members = read_offsets(batch)
            engine = await self._engine()
            await engine.begin_transaction()
        except BaseException:
            self._is_busy = False
            raise
        current = self._current = Transaction(engine)
        try:
            yield current
            await flush()
            await current.settle()
            for member, offsets in members:
                await engine.commit_offsets(member, offsets)
            if self.connection.engine is not engine:
                raise TransactionAborted("the connection of the producer was replaced during the transaction")
            await engine.commit_transaction()
        except BaseException:
            await self._abort(engine, flush)
            raise
        finally:
            self._current = None
            self._is_busy = False

    async def _engine(self) -> TransactionalEngine:
        try:
            async with asyncio.timeout(self._request_timeout):
                while (engine := await self.connection.connected()).broken():
                    self.connection.check_soon()
                    await asyncio.sleep(RETRY)
        except TimeoutError as error:
            reason = self.connection.status.reason or "no answer in time"
            raise KafkaUnavailable(f"beginning a transaction: {reason}") from error
        found: Any = engine  # the factory of a producer with a transactional id makes only such
        return found  # type: ignore[no-any-return]

    async def _abort(self, engine: TransactionalEngine, flush: Callable[[], Awaitable[None]]) -> None:
        """Roll back; if that fails, the broker does it when the next producer with this id begins."""
        with anyio.CancelScope(shield=True):
            try:
                async with asyncio.timeout(2 * self._request_timeout + ABORT_GRACE):
                    await flush()  # no record may become part of the next transaction
                    if self.connection.engine is engine and not engine.broken():
                        await engine.abort_transaction()
            except (KafkaError, TimeoutError):
                self.connection.check_soon()


def read_offsets(batch: Iterable[ReadRecord]) -> list[tuple[GroupMember, dict[TopicPartition, Offset]]]:
    """Return the members that read these records, with the offsets after them. Raises CommitFailed for lost ones."""
    found: dict[int, tuple[GroupMember, dict[TopicPartition, Offset]]] = {}
    for record in batch:
        if record.revoked:
            raise CommitFailed(
                f"{record.topic}[{record.partition}] was taken from this consumer: another member reads offset "
                f"{record.offset} again"
            )
        if id(record.reader) not in found:
            found[id(record.reader)] = record.reader.group_member(), {}
        _, offsets = found[id(record.reader)]
        place = TopicPartition(record.topic, record.partition)
        known = offsets.get(place)
        if known is None or known.offset <= record.offset:
            offsets[place] = Offset(record.offset + 1)
    return list(found.values())
