"""Reads topics as a member of a consumer group."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack, overload
from weakref import WeakSet

from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.connection.client_id import client_id_from
from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.consuming.appearances import Appearances
from pywatt_kafka.consuming.assignment_listener import AssignmentListener
from pywatt_kafka.consuming.out_of_range import OutOfRangePositions
from pywatt_kafka.consuming.start_positions import Fallback
from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.engine.membership import GroupMember, Membership, MembershipOptions
from pywatt_kafka.engine.protocols import GroupEngine
from pywatt_kafka.engine.settings import EngineName, GroupSettings
from pywatt_kafka.errors import CommitFailed, Fenced, KafkaError, KafkaUnavailable, OffsetOutOfRange
from pywatt_kafka.libraries import group_factory, require
from pywatt_kafka.records import Message, Offset, TopicPartition, Unstable
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

REQUEST_TIMEOUT = 10.0  # seconds
MAX_RECORDS = 500
REPLACE_AFTER = 30.0  # seconds without a response, after which the client reconnects to the configured addresses
FETCH_TIMEOUT = 1.0  # seconds
REBALANCE_GRACE = 0.5  # seconds beyond its timeout after which a fetch stops waiting for a rebalance
ERROR_PAUSE = 0.5  # seconds

AnswerT = TypeVar("AnswerT")


class GroupReader:
    """Reads topics as a member of a group; an async context manager.

    Nothing is committed by itself. Entering it needs no live broker: it connects in the background, keeps trying, and
    reconnects by itself. Reading starts at the committed offset, or at the earliest record where there is none.

        async with GroupReader("localhost:9092", group="billing", topics=["orders"]) as consumer:
            async for message in consumer:
                ...
                await consumer.commit_through(message)

    The fields of Membership may be given by themselves, as `group` is here, or together as `membership`.
    """

    @overload
    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: AssignmentListener | None = None,
        fallback: Fallback = "earliest",
        find_overlooked: bool = False,
        client_id: str | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        options: Mapping[str, Any] | None = None,
        **member: Unpack[MembershipOptions],
    ) -> None: ...

    @overload
    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        membership: Membership,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: AssignmentListener | None = None,
        fallback: Fallback = "earliest",
        find_overlooked: bool = False,
        client_id: str | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        options: Mapping[str, Any] | None = None,
    ) -> None: ...

    def __init__(
        self,
        bootstrap_brokers: str | Sequence[str] | None = None,
        *,
        membership: Membership | None = None,
        topics: Iterable[str] = (),
        pattern: str | None = None,
        listener: AssignmentListener | None = None,
        fallback: Fallback = "earliest",
        find_overlooked: bool = False,
        client_id: str | None = None,
        request_timeout: float = REQUEST_TIMEOUT,
        fetching: Fetching | None = None,
        security: Security | None = None,
        on_status: Callable[[ConnectionStatus], None] | None = None,
        engine: EngineName = "aiokafka",
        options: Mapping[str, Any] | None = None,
        **member: Any,
    ) -> None:
        """`bootstrap_brokers` as for `brokers_from`; None: the variable `KAFKA_BROKERS`.

        `pattern`: a regular expression that matches the whole names of further topics, which are read as soon as they
        exist. `fallback`: where a partition continues whose position is not in its log: `earliest`, `latest`, or `fail`
        (`fetch` raises OffsetOutOfRange). `find_overlooked`: ask at the start which partitions the group has not
        noticed yet, for `appeared`. `request_timeout`: seconds. `fetching` None: the defaults. `on_status` is
        called on every change of `status`, from the event loop. `security` None: the variables
        KAFKA_SECURITY_PROTOCOL ... describe it. Raises KafkaError when it cannot be used. `engine`: the library
        underneath. `options`: librdkafka's options, for engine="rdkafka".
        """
        if membership is None:
            membership = Membership(**member)
        elif member:
            raise TypeError(f"{', '.join(member)}: given beside membership")
        self.brokers = brokers_from(bootstrap_brokers, os.environ)
        self._request_timeout = request_timeout
        self._listener = listener
        self._assignment: frozenset[TopicPartition] = frozenset()
        self._next: dict[TopicPartition, int] = {}
        """Offset after the last returned record, by partition of this assignment."""
        self._rewind = False
        self._out_of_range = OutOfRangePositions(fallback)
        self._appearances = Appearances()
        self._security = security_from(security, os.environ)
        self._settings = settings = GroupSettings(
            membership=membership,
            topics=tuple(topics),
            pattern=pattern,
            client_id=client_id_from(client_id, os.environ),
            fetching=fetching or Fetching(),
            finds_overlooked=find_overlooked,
            opened=self._opened,
            assigned=self._assigned,
            revoked=self._revoked,
            out_of_range=self._out_of_range.add,
            options=options or {},
        )
        self._engine: EngineName = engine
        self._connection = ClusterConnection(
            group_factory(engine, self.brokers, settings, self._security),
            name=f"consumer group {membership.group} of {','.join(self.brokers)}",
            replace_after=REPLACE_AFTER,
            rejoins=membership.instance_id is not None,
            on_status=on_status,
        )

    @property
    def status(self) -> ConnectionStatus:
        """The status of this consumer's connection."""
        return self._connection.status

    @property
    def connected(self) -> bool:
        """True while the cluster answers and the group reports no error."""
        return self._connection.status.state is ConnectionState.CONNECTED

    @property
    def group_id(self) -> str:
        """The name of the group."""
        return self._settings.membership.group

    @property
    def client_id(self) -> str:
        """The name of this client for the brokers."""
        return self._settings.client_id

    @property
    def assignment(self) -> frozenset[TopicPartition]:
        """The partitions that are assigned to this member."""
        return self._assignment

    def positions(self) -> Mapping[TopicPartition, int]:
        """Return the offset up to which all deliverable records of each partition were returned, where it is known.

        It passes what `fetch` never returns: markers and records of aborted transactions, deleted and compacted
        records. Committing it lets the lag of a group that has nothing left to do become 0. Call it between fetches.
        """
        engine = self._connection.engine
        if engine is None or self._rewind:
            return {}  # a failed fetch may have passed records that it did not return
        positions = engine.positions()
        return {place: offset for place, offset in positions.items() if place in self._assignment}

    @property
    def behind(self) -> int:
        """Number of records of its partitions that were not returned yet, as far as known without a request."""
        engine = self._connection.engine
        return engine.behind(self._next) if engine is not None else 0

    async def wait_connected(self) -> None:
        """Wait, without a limit, until the cluster answers."""
        await self._connection.connected()

    async def __aenter__(self) -> Self:
        """Start connecting and joining. Raises MissingDependency."""
        require(self._engine)
        await self._connection.__aenter__()
        _open.add(self)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Let the listener release its partitions, leave the group (a static member stays) and disconnect."""
        _open.discard(self)
        await self._connection.__aexit__(kind, error, trace)

    async def fetch(
        self, *, timeout: float = FETCH_TIMEOUT, max_records: int = MAX_RECORDS
    ) -> Mapping[TopicPartition, Sequence[Message]]:
        """Return the next records of every partition that is not paused; empty if none arrive in the timeout.

        Returns nothing while the brokers do not answer or the group is rebalancing. Keeps the order within each
        partition. Raises Fenced, and OffsetOutOfRange with the fallback `fail`. One caller at a time.
        """
        try:
            if self._out_of_range:
                found = await self._out_of_range.recover(self._connection.opened(), self._request_timeout)
                self._next.update(found)
            async with asyncio.timeout(timeout + REBALANCE_GRACE):
                engine = await self._connection.opened()
                if self._rewind:
                    await engine.rewind(self._assignment, self._next)
                    self._rewind = False
                try:
                    batches = await engine.fetch(timeout, max_records)
                except OffsetOutOfRange:
                    self._rewind = True
                    return {}
        except TimeoutError:
            return {}
        except KafkaError as error:
            self._connection.check_soon()
            if isinstance(error, OffsetOutOfRange) or self._connection.is_final(error):
                raise
            # The engine keeps it for the status. Records that the call took for other partitions are lost.
            self._rewind = True
            await asyncio.sleep(ERROR_PAUSE)
            return {}
        for partition, messages in batches.items():
            self._next[partition] = messages[-1].offset + 1
        return batches

    async def __aiter__(self) -> AsyncIterator[Message]:
        """Yield the records of all partitions one by one, without end. Raises NotAuthorized."""
        while True:
            if (failure := self.status.failure) is not None:
                raise failure
            for partition, messages in (await self.fetch()).items():
                for message in messages:
                    if partition not in self._assignment:
                        break  # revoked meanwhile: its new owner reads the rest
                    yield message

    def appeared(self, partition: TopicPartition) -> bool:
        """Return whether a partition is newer than the group: it is read from its first record, whatever the fallback.

        It did not exist yet when this reader first connected, or with `find_overlooked` its group had not noticed it.
        """
        return partition in self._appearances

    def pause(self, *partitions: TopicPartition) -> None:
        """Stop fetching from these partitions until they are resumed or revoked; ignores those of other members."""
        if (engine := self._connection.engine) is not None:
            engine.pause(self._assignment.intersection(partitions))

    def resume(self, *partitions: TopicPartition) -> None:
        """Resume fetching from these partitions."""
        if (engine := self._connection.engine) is not None:
            engine.resume(self._assignment.intersection(partitions))

    def seek(self, partition: TopicPartition, offset: int) -> None:
        """Continue reading a partition at that offset. Raises CommitFailed if it is not this member's."""
        engine = self._connection.engine
        if engine is None or partition not in self._assignment:
            raise CommitFailed(f"{partition.topic}[{partition.partition}] is not assigned to this consumer")
        engine.seek(partition, offset)
        self._next[partition] = offset
        self._out_of_range.discard(partition)

    async def commit(self, offsets: Mapping[TopicPartition, Offset]) -> None:
        """Commit positions for the group.

        Raises CommitFailed when a partition is no longer this member's or a rebalance keeps the group busy, and
        KafkaUnavailable when no broker answers; both within the request timeout, at once while the brokers are away.
        Raises Fenced when another member has taken the place of this one, as do all other calls.
        """
        if self.status.state is ConnectionState.AWAY:
            raise KafkaUnavailable(f"committing: {self.status.reason}")
        try:
            async with asyncio.timeout(self._request_timeout):
                engine = await self._connection.opened()
                await engine.commit(offsets)
        except TimeoutError as error:
            self._connection.check_soon()
            if self.connected:
                raise CommitFailed("committing: the group is rebalancing") from error
            raise KafkaUnavailable(f"committing: {self.status.reason or 'no answer in time'}") from error
        except Fenced as error:
            if self._connection.is_final(error):
                raise
            raise CommitFailed("committing: the member id was lost in the outage; it joins again") from error

    def group_member(self) -> GroupMember:
        """Return the member with its current generation, for a transaction that commits its offsets.

        Raises CommitFailed while it is not in the group.
        """
        if (engine := self._connection.engine) is None:
            raise CommitFailed(f"committing: {self.status.reason or 'not connected'}")
        return engine.member()

    async def commit_through(self, message: Message) -> None:
        """Commit this record and all before it in its partition. Raises as `commit` does."""
        await self.commit({TopicPartition(message.topic, message.partition): Offset(message.offset + 1)})

    async def committed(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Offset]:
        """Return the group's committed positions with their metadata; a partition without one is left out.

        Raises KafkaUnavailable within the request timeout.
        """
        return await self._ask("reading committed offsets", lambda engine: engine.committed(partitions))

    async def begin_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset of each partition's first record. Raises KafkaUnavailable within the request timeout."""
        return await self._ask("finding the beginning", lambda engine: engine.begin_offsets(partitions))

    async def end_offsets(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, int]:
        """Return the offset after each partition's last record. Raises KafkaUnavailable within the request timeout."""
        return await self._ask("finding the end", lambda engine: engine.end_offsets(partitions))

    async def offsets_at(self, times: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int | None]:
        """Return the offset of the first record at or after each time (ms since 1970); None where there is none.

        Raises KafkaUnavailable within the request timeout.
        """
        return await self._ask("finding offsets by time", lambda engine: engine.offsets_at(times))

    async def unstable(self, partitions: Iterable[TopicPartition]) -> Mapping[TopicPartition, Unstable]:
        """Return the known ranges of open transactions. Raises KafkaUnavailable within the request timeout."""
        return await self._ask("finding open transactions", lambda engine: engine.unstable(partitions))

    async def _ask(self, during: str, ask: Callable[[GroupEngine], Awaitable[AnswerT]]) -> AnswerT:
        try:
            async with asyncio.timeout(self._request_timeout):
                return await ask(await self._connection.opened())
        except TimeoutError as error:
            self._connection.check_soon()
            raise KafkaUnavailable(f"{during}: {self.status.reason or 'no answer in time'}") from error

    async def _opened(self, present: Mapping[str, int]) -> None:
        await self._appearances.note(present, self.brokers, self._security, self._settings)

    async def _assigned(self, partitions: frozenset[TopicPartition]) -> None:
        self._assignment |= partitions
        for partition in partitions:
            self._next.pop(partition, None)
        self._out_of_range.clear()
        self._rewind = False
        if self._listener is not None:
            await self._listener.assigned(partitions)

    async def _revoked(self, partitions: frozenset[TopicPartition]) -> None:
        try:
            if self._listener is not None:
                await self._listener.revoked(partitions)
        finally:
            self._assignment -= partitions
            for partition in partitions:
                self._next.pop(partition, None)


_open: WeakSet[GroupReader] = WeakSet()


def records_behind() -> int:
    """Return the number of records that all open consumers of this process have not read yet."""
    return sum(consumer.behind for consumer in _open)
