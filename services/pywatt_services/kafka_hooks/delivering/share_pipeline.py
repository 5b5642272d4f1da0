"""Runs the delivering half of one worker with `"mode": "share"`: members of a share group, and the targets.

Each topic has a member of its own: a member gets nothing while one of its records is in work, and a slow webhook must
hold up no other topic.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import TypeAlias

import anyio
from anyio.abc import TaskGroup

from pywatt.service_type import ServiceContext
from pywatt_kafka.connection.status import ConnectionStatus
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.records import TopicPartition, Unstable
from pywatt_kafka.security.options import Security
from pywatt_kafka.share_groups.share_consumer import ShareConsumer
from pywatt_services.kafka_hooks.config.options import ConsumerOptions, KafkaHooksOptions
from pywatt_services.kafka_hooks.delivering.target_caller import Caller, MakeCaller
from pywatt_services.kafka_hooks.delivering.target_factory import make_targets, require_signing
from pywatt_services.kafka_hooks.delivering.targets import Targets
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics
from pywatt_services.kafka_hooks.sharing.group_settings import ShareLimits, prepare_group
from pywatt_services.kafka_hooks.sharing.share_loop import LEAVE_SHARE, ShareLoop
from pywatt_services.kafka_hooks.webhooks.egress import WebhookClients

logger = logging.getLogger("pywatt.kafka_hooks")

PlainConsumer: TypeAlias = ShareConsumer[bytes | None, bytes | None]

DRAIN_SHARE = 0.7
"""Part of a stop's time that deliveries in flight may take; the rest is for acknowledging and disconnecting."""
UNAVAILABLE_RETRY = 1.0  # seconds
TURNS = 2  # records that are held for each delivery at once, so that another one follows at once
REFUSED_RETRY = 10.0  # seconds until reading is tried again that was refused


@dataclass(frozen=True, slots=True)
class SharedPartition:
    """A partition of which this worker holds records: the brokers know how far it is, its members do not."""

    committed: None = None
    next: None = None
    paused: bool = False


class SharePipeline:
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
        watch: Callable[[str], Callable[[ConnectionStatus], None]],
        on_unread: Callable[[str | None], None],
        writer: RecordWriter,
        largest_record: int,
        metrics: DeliveryMetrics,
        make_caller: MakeCaller = Caller,
    ) -> None:
        """`watch` takes a name and returns what is told the status of a member. `on_unread` is told why records are
        not read, or None.

        `writer` takes the dead letters, of `largest_record` bytes at most.
        """
        self._options = options
        self._consumer = consumer
        self._context = context
        self._brokers = brokers
        self._security = security
        self._client_id = client_id
        self._watch = watch
        self._on_unread = on_unread
        self._writer = writer
        self._make_caller = make_caller
        self._largest_record = largest_record
        self._metrics = metrics
        self._share_loop: ShareLoop | None = None
        self._targets: Mapping[str, Sequence[Webhook]] = {}
        self._unread: dict[str, str] = {}
        """Reasons for which topics are not read."""

    @property
    def targets(self) -> Sequence[Webhook]:
        """The targets; none before the group is known."""
        return [target for targets in self._targets.values() for target in targets]

    @property
    def held(self) -> Mapping[TopicPartition, SharedPartition]:
        """The partitions of the records that this worker holds."""
        records = () if self._share_loop is None else self._share_loop.held
        return {TopicPartition(*record.message[:2]): SharedPartition() for record in records}

    async def lag(self) -> Mapping[TopicPartition, int]:
        """Return nothing: a share group's lag belongs to no member."""
        return {}

    async def unstable(self) -> Mapping[TopicPartition, Unstable]:
        """Return nothing, as for `lag`."""
        return {}

    async def run(self, begin: asyncio.Event) -> None:
        """Deliver until the worker is asked to stop, then finish the deliveries in flight. Raises MissingExtra."""
        require_signing(self._options)
        limits: ShareLimits | None = None
        async with anyio.create_task_group() as waiting:
            waiting.start_soon(self._cancel_at_stop, waiting.cancel_scope)
            await begin.wait()
            limits = await self._prepare()
            waiting.cancel_scope.cancel()
        if limits is not None:
            await self._run_within(limits)

    async def _run_within(self, limits: ShareLimits) -> None:
        tasks = anyio.create_task_group()
        clients = WebhookClients(self._context.mesh)
        targets = self._make_targets(limits, clients, tasks)
        self._targets = targets
        share_loop = self._share_loop = ShareLoop(targets, limits)
        async with AsyncExitStack() as stack:
            consumers = [(topic, await stack.enter_async_context(self._member(topic))) for topic in targets.names]
            async with clients, tasks:
                try:
                    async with anyio.create_task_group() as reading:
                        reading.start_soon(self._cancel_at_stop, reading.cancel_scope)
                        for topic, consumer in consumers:
                            reading.start_soon(self._read, topic, consumer, share_loop)
                    request = await self._context.stop_requested()
                    limit = min(request.timeout, self._context.service.shutdown)
                    await share_loop.drain(limit * DRAIN_SHARE)
                finally:
                    for target in self.targets:
                        target.break_off()
                tasks.cancel_scope.cancel()

    async def _read(self, topic: str, consumer: PlainConsumer, share_loop: ShareLoop) -> None:
        while True:
            well = asyncio.get_running_loop().call_later(REFUSED_RETRY, self._report, topic, None)
            try:
                async for message in consumer:
                    share_loop.take(message)
            except KafkaError as error:
                self._report(topic, error)
            finally:
                well.cancel()
            await anyio.sleep(REFUSED_RETRY)

    async def _prepare(self) -> ShareLimits:
        """Return the group's limits as soon as the brokers tell them."""
        topics = dict.fromkeys(webhook.topic for webhook in self._options.webhooks)
        while True:
            pause = UNAVAILABLE_RETRY
            try:
                limits = await prepare_group(self._brokers, self._security, self._consumer, topics)
            except KafkaUnavailable as error:
                logger.debug("the share group cannot be looked up now: %s", error)
            except KafkaError as error:
                self._report("", error)
                pause = REFUSED_RETRY
            else:
                self._report("", None)
                return limits
            await anyio.sleep(pause)

    def _report(self, topic: str, error: KafkaError | None) -> None:
        """Say why a topic, or with "" all, is not read; None: it is."""
        reason = "" if error is None else f"{error.message}; {error.hint}" if error.hint else error.message
        if reason == self._unread.get(topic, ""):
            return
        if error is None:
            del self._unread[topic]
        else:
            self._unread[topic] = reason
            logger.error("records are not delivered: %s", reason)
        self._on_unread(next(iter(self._unread.values()), None))

    def _member(self, topic: str) -> PlainConsumer:
        return ShareConsumer(
            self._consumer.group_id,
            self._brokers,
            topics=[topic],
            client_id=self._client_id,
            max_records=self._max_records(topic),
            security=self._security,
            on_status=self._watch(f"consumer of {topic}"),
        )

    def _max_records(self, topic: str) -> int:
        """Return the number of records to hold at once: what waits long for its turn is delivered again for nothing."""
        if self._consumer.max_records is not None:
            return self._consumer.max_records
        entries = [webhook for webhook in self._options.webhooks if webhook.topic == topic]
        return TURNS * min(entry.concurrency or self._options.concurrency for entry in entries)

    def _make_targets(self, limits: ShareLimits, clients: WebhookClients, tasks: TaskGroup) -> Targets:
        """Return the targets, whose attempts end before the lock of a record."""
        longest = limits.lock * LEAVE_SHARE
        webhooks = tuple(
            replace(each, retry=replace(each.retry, attempt_timeout=min(each.retry.attempt_timeout, longest)))
            for each in self._options.webhooks
        )
        return make_targets(
            replace(self._options, webhooks=webhooks),
            clients,
            tasks,
            writer=self._writer,
            largest_record=self._largest_record,
            metrics=self._metrics,
            make_caller=self._make_caller,
        )

    async def _cancel_at_stop(self, scope: anyio.CancelScope) -> None:
        await self._context.stop_requested()
        scope.cancel()
