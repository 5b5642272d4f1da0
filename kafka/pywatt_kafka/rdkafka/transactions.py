"""The transactional producer engine of librdkafka. Its calls block, so they are made in threads."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.engine.transactions import check_same_engine, no_transaction, producer_fenced
from pywatt_kafka.errors import KafkaError, NotAcknowledged
from pywatt_kafka.rdkafka.errors import translate
from pywatt_kafka.rdkafka.producer import RdkafkaProducer
from pywatt_kafka.rdkafka.records import native
from pywatt_kafka.records import Offset, OutgoingRecord, TopicPartition


class TransactionalRdkafkaProducer(RdkafkaProducer):
    """A producer engine with a transactional id."""

    _in_transaction = False
    _unknown = False
    """It is unknown how the last transaction ended: only a new producer can tell."""

    async def open(self) -> None:
        """Connect, and end the transaction of a predecessor with the same id."""
        await super().open()
        limit = self._settings.request_timeout
        await self._ask(partial(self._producer.init_transactions, limit), f"initializing {self._id}")

    def broken(self) -> bool:
        """Return whether a fatal error has stopped the client, or the end of a transaction is unknown."""
        self._check_fenced()
        return super().broken() or self._unknown

    def append(self, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add a record to the transaction; return False if there is no room. Raises KafkaError outside one."""
        if not self._in_transaction:
            raise no_transaction(record.topic)
        return super().append(record, done)

    async def begin_transaction(self) -> None:
        """Begin a transaction."""
        await self._ask(self._producer.begin_transaction, f"beginning a transaction of {self._id}")
        self._in_transaction = True

    async def commit_offsets(self, member: GroupMember, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Add offsets of a group to the transaction."""
        check_same_engine(member, native=True)
        if not offsets:
            return
        wanted = [native(place, offset.offset, offset.metadata) for place, offset in offsets.items()]
        limit = self._settings.request_timeout
        call = partial(self._producer.send_offsets_to_transaction, wanted, member.native, limit)
        await self._ask(call, f"committing offsets of group {member.group}")

    async def commit_transaction(self) -> None:
        """Commit, once all records are acknowledged."""
        await self._end(self._producer.commit_transaction, f"committing a transaction of {self._id}")

    async def abort_transaction(self) -> None:
        """Roll back."""
        try:
            await self._end(self._producer.abort_transaction, f"aborting a transaction of {self._id}")
        except KafkaError:
            self._unknown = True
            raise

    @property
    def _id(self) -> str:
        return str(self._settings.transactional_id)

    def _more_settings(self) -> dict[str, Any]:
        given = self._settings
        timeout = int(given.transaction_timeout * 1000)
        return {
            "transactional.id": given.transactional_id,
            "transaction.timeout.ms": timeout,
            "message.timeout.ms": min(timeout, int(given.request_timeout * 1000)),  # librdkafka requires it
        }

    async def _end(self, step: Callable[[float], None], during: str) -> None:
        try:
            await self._ask(partial(step, self._settings.request_timeout), during)
        except KafkaError as error:
            if error.retriable:
                self._unknown = True
                raise NotAcknowledged(f"{error.message}; it may be carried out all the same") from error
            raise
        self._in_transaction = False

    async def _ask(self, step: Callable[[], None], during: str) -> None:
        """Run a call that blocks. Raises KafkaError."""
        try:
            await self._call(step)
        except self._native_error as failure:
            error = failure.args[0]
            if error.fatal():
                self._health.report(error)
            self._check_fenced()
            raise translate(error, during=during) from failure

    def _check_fenced(self) -> None:
        if self._health.fenced:
            raise producer_fenced(self._id)
