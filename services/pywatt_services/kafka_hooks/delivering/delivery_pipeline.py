"""Runs the delivering half of one worker: a group member, its consume loop, and its targets."""

from __future__ import annotations

import asyncio
import logging
import math
import socket
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack

import anyio
from anyio.abc import TaskGroup

from pywatt.service_type import ServiceContext
from pywatt_kafka.admin.leave_group import leave_group
from pywatt_kafka.connection.addresses import is_embedded
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.engine.membership import Membership
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition, Unstable
from pywatt_kafka.security.options import Security
from pywatt_services.kafka_hooks.config.options import ConsumerOptions, KafkaHooksOptions, StartAt
from pywatt_services.kafka_hooks.consuming.consume_loop import ConsumeLoop
from pywatt_services.kafka_hooks.consuming.member_id_lock import HeldMemberId, hold, legal_kafka_name, subscription_mark
from pywatt_services.kafka_hooks.consuming.partition_state import PartitionState
from pywatt_services.kafka_hooks.consuming.start_offsets import StartOffsets
from pywatt_services.kafka_hooks.delivering.target_caller import Caller, MakeCaller
from pywatt_services.kafka_hooks.delivering.target_factory import make_targets, require_signing
from pywatt_services.kafka_hooks.delivering.targets import Targets
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics
from pywatt_services.kafka_hooks.webhooks.egress import WebhookClients

logger = logging.getLogger("pywatt.kafka_hooks")

LEAVE_LIMIT = 2.0  # seconds
EMBEDDED_SESSION = 3.0
"""Seconds of a member's session on the embedded broker, which hands partitions over a second before it ends."""
DRAIN_SHARE = 0.7
"""Part of a stop's time that deliveries in flight may take; the rest is for committing and disconnecting."""


class DeliveryPipeline:
    """Reads and delivers, from the existence of the topics until the worker is asked to stop."""

    def __init__(
        self,
        options: KafkaHooksOptions,
        consumer: ConsumerOptions,
        context: ServiceContext,
        *,
        brokers: Sequence[str],
        security: Security,
        client_id: str,
        on_status: Callable[[ConnectionStatus], None],
        on_waiting: Callable[[], None],
        on_unread: Callable[[str | None], None],
        writer: RecordWriter,
        largest_record: int,
        metrics: DeliveryMetrics,
        make_caller: MakeCaller = Caller,
    ) -> None:
        """`on_status` is told the consumer's status, `on_waiting` that another worker must end before it is created.

        `on_unread` is told why partitions are not read, or None. `writer` takes the dead letters, of `largest_record`
        bytes at most.
        """
        self._options = options
        self._consumer = consumer
        self._context = context
        self._brokers = brokers
        self._security = security
        self._client_id = client_id
        self._on_status = on_status
        self._on_waiting = on_waiting
        self._on_unread = on_unread
        self._writer = writer
        self._make_caller = make_caller
        self._largest_record = largest_record
        self._metrics = metrics
        self._is_embedded = is_embedded(brokers, context.env)
        self._consume_loop: ConsumeLoop[GroupReader] | None = None
        self._targets: Mapping[str, Sequence[Webhook]] = {}

    @property
    def targets(self) -> Sequence[Webhook]:
        """The targets; none before the topics exist."""
        return [target for targets in self._targets.values() for target in targets]

    @property
    def held(self) -> Mapping[TopicPartition, PartitionState]:
        """The partitions assigned to this worker."""
        return {} if self._consume_loop is None else self._consume_loop.held

    @property
    def _is_fenced(self) -> bool:
        return self._consume_loop is not None and self._consume_loop.consumer.status.state is ConnectionState.FENCED

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Return the number of uncommitted records of each assigned partition. Raises KafkaError."""
        held = self.held
        if self._consume_loop is None or not held:
            return {}
        ends = await self._consume_loop.consumer.end_offsets(held)
        return {
            place: max(0, ends[place] - partition.committed.offset)
            for place, partition in held.items()
            if partition.committed is not None
        }

    async def unstable(self) -> Mapping[TopicPartition, Unstable]:
        """Return the assigned partitions that open transactions hold. Raises KafkaError."""
        held = self.held
        return {} if self._consume_loop is None or not held else await self._consume_loop.consumer.unstable(held)

    async def run(self, begin: asyncio.Event) -> None:
        """Deliver until the worker is asked to stop, then finish the deliveries in flight. Raises MissingExtra."""
        require_signing(self._options)
        tasks = anyio.create_task_group()
        clients = WebhookClients(self._context.mesh)
        targets = make_targets(
            self._options,
            clients,
            tasks,
            writer=self._writer,
            largest_record=self._largest_record,
            metrics=self._metrics,
            make_caller=self._make_caller,
        )
        instance_id = self._instance_id(subscription_mark(targets.names, targets.pattern))
        async with AsyncExitStack() as stack:
            held: HeldMemberId | None = None
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._cancel_at_stop, waiting.cancel_scope)
                await begin.wait()
                held = await stack.enter_async_context(
                    hold(instance_id, self._consumer.group_id, waiting=self._on_waiting)
                )
                waiting.cancel_scope.cancel()
            if held is not None:
                await self._run_as(held.instance_id, targets, clients, tasks)
                # A fenced member would take the id from the member that has it now.
                if not (held.has_successor or self._is_embedded or self._is_fenced):
                    await self._leave(held.instance_id)

    async def _run_as(self, instance_id: str, targets: Targets, clients: WebhookClients, tasks: TaskGroup) -> None:
        options = self._consumer
        session = min(options.session_timeout, EMBEDDED_SESSION if self._is_embedded else math.inf)
        consume_loop = ConsumeLoop(
            lambda listener: GroupReader(
                self._brokers,
                membership=Membership(
                    group=options.group_id,
                    # The embedded broker knows no static members: it would keep the partitions until the session
                    # times out.
                    instance_id=None if self._is_embedded else instance_id,
                    session_timeout=session,
                    rebalance_timeout=options.rebalance_timeout,
                    heartbeat_interval=None if self._is_embedded else options.heartbeat_interval,
                ),
                topics=targets.names,
                pattern=targets.pattern,
                listener=listener,
                find_overlooked=options.start_at is StartAt.LATEST,
                client_id=self._client_id,
                fetching=options.fetching,
                security=self._security,
                on_status=self._on_status,
                engine=self._options.engine,
            ),
            targets,
            buffered_records=options.buffered_records,
            start_offsets=StartOffsets(options, from_the_first=targets.retry_topics),
            on_unread=self._on_unread,
        )
        self._consume_loop = consume_loop
        self._targets = targets
        async with consume_loop.consumer, clients, tasks:
            try:
                async with anyio.create_task_group() as reading:
                    reading.start_soon(self._cancel_at_stop, reading.cancel_scope)
                    await consume_loop.run()
                request = await self._context.stop_requested()
                # Even if it may linger: until these are done, the worker that has replaced this one delivers nothing.
                limit = min(request.timeout, self._context.service.shutdown)
                await consume_loop.drain(limit * DRAIN_SHARE)
            finally:
                for target in self.targets:
                    target.break_off()
            tasks.cancel_scope.cancel()

    async def _leave(self, instance_id: str) -> None:
        """Leave the group, which hands the partitions to others: this member id is not used again."""
        try:
            await leave_group(
                self._brokers,
                self._consumer.group_id,
                instance_id,
                timeout=LEAVE_LIMIT,
                security=self._security,
            )
        except KafkaError as error:
            logger.info("the group waits until the session of %s times out: %s", instance_id, error)

    async def _cancel_at_stop(self, scope: anyio.CancelScope) -> None:
        await self._context.stop_requested()
        scope.cancel()

    def _instance_id(self, mark: str) -> str:
        """Return the static member id of this slot, the same after a crash: its partitions come back at once.

        `mark`: of its subscription.
        """
        context = self._context
        base = self._consumer.group_instance_id or f"{socket.gethostname()}-{context.app_name}-{context.service.id}"
        return legal_kafka_name(f"{base}-{context.slot}-{mark}")
