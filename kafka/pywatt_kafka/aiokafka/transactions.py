"""The transactional producer engine of aiokafka. Imports aiokafka.

aiokafka's own transactions are changed in two points. It commits offsets with the name of the group alone, so that a
member whose partitions another one has by now can commit them all the same; here its generation goes with them. And
after an error it forgets the partitions of the transaction and does not tell the broker to abort, so that the next
commit makes the failed records visible; here the transaction stays as it is until it is aborted.
"""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Mapping
from typing import Any

from aiokafka import errors
from aiokafka.client import CoordinationType
from aiokafka.producer.sender import TxnOffsetCommitHandler
from aiokafka.protocol.api import Request, RequestStruct
from aiokafka.protocol.transaction import TxnOffsetCommitResponse_v0
from aiokafka.protocol.types import CompactArray, CompactString, Int16, Int32, Int64, Schema, TaggedFields
from aiokafka.structs import OffsetAndMetadata
from aiokafka.structs import TopicPartition as NativePartition

from pywatt_kafka.aiokafka.accumulator import Accumulator
from pywatt_kafka.aiokafka.batch import Batch
from pywatt_kafka.aiokafka.errors import translate, translated
from pywatt_kafka.aiokafka.producer import AiokafkaProducer
from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.engine.settings import ProducerSettings
from pywatt_kafka.engine.transactions import check_same_engine, no_transaction, producer_fenced
from pywatt_kafka.errors import CommitFailed, Fenced, KafkaError, NotAcknowledged, TransactionAborted
from pywatt_kafka.records import Offset, OutgoingRecord, TopicPartition

TEXT = CompactString("utf-8")
TAGS = ("tags", TaggedFields)


class TxnOffsetCommitResponseV3(TxnOffsetCommitResponse_v0):  # type: ignore[misc]
    API_VERSION = 3
    SCHEMA = Schema(
        ("throttle_time_ms", Int32),
        (
            "errors",
            CompactArray(
                ("topic", TEXT), ("partitions", CompactArray(("partition", Int32), ("error_code", Int16), TAGS)), TAGS
            ),
        ),
        TAGS,
    )


class TxnOffsetCommitRequestV3(RequestStruct):  # type: ignore[misc]
    API_KEY = 28
    API_VERSION = 3
    FLEXIBLE_VERSION = True
    RESPONSE_TYPE = TxnOffsetCommitResponseV3
    SCHEMA = Schema(
        ("transactional_id", TEXT),
        ("group", TEXT),
        ("producer_id", Int64),
        ("producer_epoch", Int16),
        ("generation", Int32),
        ("member_id", TEXT),
        ("instance_id", TEXT),
        (
            "topics",
            CompactArray(
                ("topic", TEXT),
                (
                    "partitions",
                    CompactArray(
                        ("partition", Int32), ("offset", Int64), ("leader_epoch", Int32), ("metadata", TEXT), TAGS
                    ),
                ),
                TAGS,
            ),
        ),
        TAGS,
    )


class MemberOffsetCommit(Request[TxnOffsetCommitRequestV3]):  # type: ignore[misc]
    """Offsets of a transaction with the generation of the member that commits them (since Kafka 2.5)."""

    API_KEY = 28

    def __init__(self, manager: Any, member: GroupMember, offsets: Mapping[Any, Any]) -> None:
        self._manager = manager
        self._member = member
        self._offsets = dict(offsets)

    def build(self, request_struct_class: Any) -> Any:
        topics: dict[str, list[tuple[Any, ...]]] = defaultdict(list)
        for place, offset in sorted(self._offsets.items()):
            topics[place.topic].append((place.partition, offset.offset, -1, offset.metadata, {}))
        manager, member = self._manager, self._member
        return request_struct_class(
            manager.transactional_id,
            member.group,
            manager.producer_id,
            manager.producer_epoch,
            member.generation,
            member.member_id,
            member.instance_id,
            [(topic, partitions, {}) for topic, partitions in topics.items()],
            {},
        )


class MemberOffsetCommitHandler(TxnOffsetCommitHandler):  # type: ignore[misc]
    """Sends the offsets of a transaction, and handles the answer."""

    def __init__(self, sender: Any, offsets: Any, member: GroupMember) -> None:
        super().__init__(sender, offsets, member.group)
        self._member = member

    def create_request(self) -> Any:
        return MemberOffsetCommit(self._sender._txn_manager, self._member, self._offsets)

    def handle_response(self, resp: Any) -> Any:
        for topic, partitions, _ in resp.errors:
            for partition, code, _ in partitions:
                error = errors.for_code(code)()
                if isinstance(translate(error, during=""), CommitFailed | Fenced) and not isinstance(
                    error, errors.InvalidProducerEpoch
                ):
                    self._sender._txn_manager.error_transaction(error)
                    return None
                if error.retriable:
                    self._sender._coordinator_dead(CoordinationType.GROUP)
                    return self._default_backoff
                plain = _Plain([(topic, [(partition, code)])])
                if (pause := super().handle_response(plain)) is not None:
                    return pause
        return None


class _Plain:
    """The answer as aiokafka's own handler reads it."""

    def __init__(self, found: Any) -> None:
        self.errors = found


class TransactionalAccumulator(Accumulator):
    """A queue whose records belong to transactions."""

    failure_of_transaction: Exception | None = None
    """Why the current transaction can only be aborted."""

    def add(self, tp: Any, record: OutgoingRecord, done: Acknowledge) -> bool:
        """Add a record to the transaction; return False if there is no room. Raises KafkaError outside one."""
        manager: Any = self._txn_manager
        if not manager.is_in_transaction():
            raise no_transaction(record.topic)
        added = super().add(tp, record, done)
        if added:
            manager.maybe_add_partition_to_txn(tp)
        return added

    def resend(self, batch: Batch, error: Exception) -> bool:
        """Note that the transaction can only be aborted: a batch of it is lost."""
        self.failure_of_transaction = self.failure_of_transaction or error
        return False

    def fail_partitions(self, partitions: set[Any], error: Exception) -> None:
        """Fail the records of partitions that the broker does not add to the transaction."""
        for tp in partitions:
            for batch in self._batches.pop(tp, ()):
                batch.failure(error)


class TransactionalAiokafkaProducer(AiokafkaProducer):
    """A producer engine with a transactional id."""

    accumulator_class = TransactionalAccumulator

    def __init__(self, brokers: tuple[str, ...], settings: ProducerSettings, security: Mapping[str, Any]) -> None:
        super().__init__(brokers, settings, security)
        self._id = settings.transactional_id or ""
        self._limit = settings.request_timeout
        self._unknown = False
        """It is unknown how the last transaction ended: only a new producer can tell."""
        self._fenced: Fenced | None = None
        self._member: GroupMember | None = None
        self._manager = self._producer._txn_manager
        self._manager.error_transaction = self._note_error
        self._producer._sender._do_txn_offset_commit = self._send_offsets

    def broken(self) -> bool:
        """Return whether the task that sends has ended, or the end of a transaction is unknown. Raises Fenced."""
        self._check_fenced()
        return super().broken() or self._unknown

    async def begin_transaction(self) -> None:
        """Begin a transaction."""
        self._transactions.failure_of_transaction = None
        with translated(f"beginning a transaction of {self._id}"):
            await self._producer.begin_transaction()

    async def commit_offsets(self, member: GroupMember, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Add offsets of a group to the transaction."""
        check_same_engine(member, native=False)
        if not offsets:
            return
        self._member = member
        found = {
            NativePartition(*place): OffsetAndMetadata(offset.offset, offset.metadata)
            for place, offset in offsets.items()
        }
        await self._until_done(
            self._manager.add_offsets_to_txn(found, member.group), f"committing offsets of group {member.group}"
        )

    async def commit_transaction(self) -> None:
        """Commit, once all records are acknowledged."""
        during = f"committing a transaction of {self._id}"
        await self._accumulator.flush()
        if (error := self._transactions.failure_of_transaction) is not None:
            raise translate(error, during=during) from error
        self._check_fenced()
        try:
            self._manager.committing_transaction()
        except AssertionError as error:
            raise TransactionAborted(f"{during}: the connection was lost") from error
        await self._until_done(self._manager.wait_for_transaction_end(), during)

    async def abort_transaction(self) -> None:
        """Roll back."""
        self._check_fenced()
        during = f"aborting a transaction of {self._id}"
        try:
            with translated(during):
                self._manager.aborting_transaction()
            await self._until_done(self._manager.wait_for_transaction_end(), during)
        except KafkaError:
            self._unknown = True
            raise

    @property
    def _transactions(self) -> TransactionalAccumulator:
        found: Any = self._accumulator
        return found  # type: ignore[no-any-return]

    async def _until_done(self, step: asyncio.Future[Any], during: str) -> None:
        """Wait for the answer of the brokers, or until the task that sends has failed."""
        sender = self._producer._sender.sender_task
        await asyncio.wait({step, sender}, timeout=self._limit, return_when=asyncio.FIRST_COMPLETED)
        if step.done():
            error = step.exception()
        elif sender.done():
            error = None if sender.cancelled() else sender.exception()
        else:
            self._unknown = True
            raise NotAcknowledged(f"{during}: no answer within {self._limit:g} s; it may be carried out all the same")
        if error is not None:
            self._check_fenced()
            raise translate(error, during=during) from error
        if not step.done():
            raise TransactionAborted(f"{during}: the producer was closed")

    def _check_fenced(self) -> None:
        sender = self._producer._sender.sender_task
        lost: Any = self._transactions.failure_of_transaction
        if sender is not None and sender.done() and not sender.cancelled():
            lost = sender.exception()
        if isinstance(lost, errors.ProducerFenced):
            raise producer_fenced(self._id) from lost

    def _note_error(self, error: Exception) -> None:
        """Fail what waits to become part of the transaction, which can only be aborted."""
        manager = self._manager
        self._transactions.failure_of_transaction = error
        partitions = set(manager._pending_txn_partitions)
        manager._pending_txn_partitions.clear()
        self._transactions.fail_partitions(partitions, error)
        for _, _, waiting in manager._pending_txn_offsets:
            if not waiting.done():
                waiting.set_exception(error)
                waiting.exception()  # the caller may no longer wait
        manager._pending_txn_offsets.clear()

    async def _send_offsets(self, offsets: Any, group: str) -> None:
        sender, member = self._producer._sender, self._member
        assert member is not None
        try:
            node = await sender._find_coordinator(CoordinationType.GROUP, group)
        except errors.GroupAuthorizationFailedError as error:
            self._note_error(error)
            return
        await MemberOffsetCommitHandler(sender, offsets, member).do(node)
