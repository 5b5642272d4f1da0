"""One kafka-hooks worker: its Kafka clients, its HTTP side, and the order in which they begin and end.

Only this worker suffers when Kafka is away: it becomes ready all the same, says that it is degraded, answers 503 and
goes on by itself when the brokers are back.
"""

from __future__ import annotations

import asyncio
import logging
import re
import socket
from collections.abc import Sequence
from contextlib import AsyncExitStack
from importlib.util import find_spec

import anyio
from anyio.abc import TaskStatus

from pywatt.errors import MissingExtra, StartError
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi import serve_asgi
from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.consumer import Consumer
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.producer import Producer
from pywatt_kafka.tail import TailReader
from pywatt_kafka.topics import ensure_topics
from pywatt_services.kafka_hooks.application import Application
from pywatt_services.kafka_hooks.config import ConsumerOptions, KafkaHooksOptions
from pywatt_services.kafka_hooks.intake import Intake
from pywatt_services.kafka_hooks.links import Links
from pywatt_services.kafka_hooks.membership import hold
from pywatt_services.kafka_hooks.publish import Publisher
from pywatt_services.kafka_hooks.reply import Replies
from pywatt_services.kafka_hooks.routes import Routes
from pywatt_services.kafka_hooks.webhook import Webhook

logger = logging.getLogger("pywatt.kafka_hooks")

WRITE_TIMEOUT = 5.0  # seconds for the brokers to acknowledge a record: then HTTP clients get a 503
FIRST_CONNECT = 5.0  # seconds that being ready waits for the first attempt to connect
DRAIN_SHARE = 0.7
"""Part of a stop's time that deliveries in flight may take; the rest is for committing and disconnecting."""
TOPICS_RETRY = 1.0  # seconds
REPLY_RECORDS = 500
REPLY_FETCH_TIMEOUT = 1.0  # seconds
MAX_NAME = 249  # characters


async def serve(options: KafkaHooksOptions, context: ServiceContext) -> None:
    """Run one worker until it is asked to stop. Raises MissingExtra, StartError."""
    if find_spec("aiokafka") is None:
        raise MissingExtra("aiokafka", "kafka", needed_by=f"the service {context.service.id}")
    try:
        brokers = brokers_from(options.brokers, context.env)
    except KafkaError as error:
        raise StartError(error.message, hint=error.hint) from error
    await _Bridge(options, context, brokers).run()


class _Bridge:
    def __init__(self, options: KafkaHooksOptions, context: ServiceContext, brokers: Sequence[str]) -> None:
        self._options = options
        self._context = context
        self._brokers = brokers
        self._client_id = _legal(f"{context.app_name}-{context.service.id}-{context.slot}")
        self._links = Links(context.degraded)
        self._topics_are_there = asyncio.Event()

    async def run(self) -> None:
        """Open everything, serve, and end it in reverse: HTTP and deliveries together, writing to Kafka last."""
        async with (
            Producer(
                self._brokers,
                client_id=self._client_id,
                request_timeout=WRITE_TIMEOUT,
                on_status=self._links.watch("producer"),
            ) as producer,
            anyio.create_task_group() as background,
        ):
            publisher = Publisher(producer, self._options.publishable)
            replies: Replies | None = None
            if self._options.request_replies:
                replies = await background.start(self._read_replies, publisher)
            application = Application(
                publisher, replies, Routes((reply.path, reply) for reply in self._options.request_replies)
            )
            background.start_soon(self._ensure_topics, producer)
            async with anyio.create_task_group() as working:
                if self._options.consumer is not None:
                    working.start_soon(self._deliver, self._options.consumer, producer)
                with anyio.move_on_after(FIRST_CONNECT):
                    await self._links.settled()
                await serve_asgi(application, self._context)
            background.cancel_scope.cancel()

    async def _ensure_topics(self, producer: Producer) -> None:
        """Create the topics that are missing, once the brokers answer; that this may be forbidden stops nothing.

        Nothing is read before: a topic that appears later makes the whole group rebalance.
        """
        try:
            created = await self._create_topics(producer)
        except KafkaError as error:
            logger.warning("it is not sure that all topics exist: %s", error)
        else:
            if created:
                logger.info("topics created: %s", ", ".join(sorted(created)))
        self._topics_are_there.set()

    async def _create_topics(self, producer: Producer) -> frozenset[str]:
        while True:
            await producer.wait_connected()
            try:
                return await ensure_topics(self._brokers, _topics(self._options))
            except KafkaUnavailable as error:
                logger.debug("the topics cannot be looked up now: %s", error)
                await anyio.sleep(TOPICS_RETRY)

    async def _read_replies(self, publisher: Publisher, *, task_status: TaskStatus[Replies]) -> None:
        """Hand every reply to the request that waits for it, until cancelled."""
        topics = dict.fromkeys(reply.response_topic for reply in self._options.request_replies)
        reader = TailReader(
            self._brokers, topics, client_id=self._client_id, on_status=self._links.watch("reply reader")
        )
        replies = Replies(publisher, reader)
        task_status.started(replies)
        await self._topics_are_there.wait()
        async with reader:
            while True:
                batches = await reader.fetch(timeout=REPLY_FETCH_TIMEOUT, max_records=REPLY_RECORDS)
                for messages in batches.values():
                    for message in messages:
                        replies.arrived(message)

    async def _deliver(self, options: ConsumerOptions, producer: Producer) -> None:
        """Read and deliver until the worker is asked to stop, then finish what is in flight."""
        group = f"{options.group_id}@{','.join(self._brokers)}"
        async with AsyncExitStack() as stack:
            instance_id: str | None = None
            async with anyio.create_task_group() as waiting:
                waiting.start_soon(self._cancel_at_stop, waiting.cancel_scope)
                await self._topics_are_there.wait()
                instance_id = await stack.enter_async_context(hold(self._instance_id(options), group))
                waiting.cancel_scope.cancel()
            if instance_id is not None:
                await self._deliver_as(instance_id, options, producer)

    async def _deliver_as(self, instance_id: str, options: ConsumerOptions, producer: Producer) -> None:
        intake = Intake(
            lambda listener: Consumer(
                self._brokers,
                group=options.group_id,
                topics=[webhook.topic for webhook in self._options.webhooks],
                listener=listener,
                instance_id=instance_id,
                client_id=self._client_id,
                session_timeout=options.session_timeout,
                rebalance_timeout=options.rebalance_timeout,
                on_status=self._links.watch("consumer"),
            ),
            buffered_records=options.buffered_records,
            start_at=options.start_at,
        )
        async with intake.consumer, anyio.create_task_group() as deliveries:
            targets = {
                webhook.topic: Webhook(
                    webhook,
                    client=self._context.mesh,
                    writer=producer,
                    tasks=deliveries,
                    concurrency=self._options.concurrency,
                    dlq_format=self._options.dlq_format,
                    finished=intake.finished,
                )
                for webhook in self._options.webhooks
            }
            async with anyio.create_task_group() as reading:
                reading.start_soon(self._cancel_at_stop, reading.cancel_scope)
                await intake.run(targets)
            request = await self._context.stop_requested()
            await intake.drain(request.timeout * DRAIN_SHARE)
            deliveries.cancel_scope.cancel()

    async def _cancel_at_stop(self, scope: anyio.CancelScope) -> None:
        await self._context.stop_requested()
        scope.cancel()

    def _instance_id(self, options: ConsumerOptions) -> str:
        """Return the static member id of this slot, the same after a crash: its partitions come back at once."""
        if options.group_instance_id is None:
            base = f"{socket.gethostname()}-{self._context.app_name}-{self._context.service.id}"
        else:
            base = options.group_instance_id
            if self._context.slot == 0:
                return base
        return _legal(f"{base}-{self._context.slot}")


def _topics(options: KafkaHooksOptions) -> set[str]:
    """Return every topic that is read or written."""
    topics = {webhook.topic for webhook in options.webhooks}
    topics |= {webhook.dlq for webhook in options.webhooks if webhook.dlq is not None}
    return topics | {
        topic for reply in options.request_replies for topic in (reply.request_topic, reply.response_topic)
    }


def _legal(name: str) -> str:
    """Return a name with only the characters that Kafka allows; too long ones lose their beginning."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[-MAX_NAME:]
