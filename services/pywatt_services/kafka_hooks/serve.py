"""Runs one kafka-hooks worker: its Kafka clients, its HTTP side, and the order of their start and stop.

Only this worker suffers when Kafka is away: it becomes ready all the same, says that it is degraded, answers 503 and
resumes when the brokers are back.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from importlib.util import find_spec
from time import monotonic

import anyio
from anyio.abc import TaskGroup, TaskStatus

from pywatt.errors import MissingExtra, StartError
from pywatt.http.server.client_limit import raise_open_files_limit
from pywatt.http.server.listening import open_tls
from pywatt.service_type import ServiceContext, StopRequest
from pywatt.telemetry.tracing import active_tracing
from pywatt.worker.asgi.drain import drain
from pywatt.worker.heartbeat import KAFKA_LAG
from pywatt_kafka.admin.topics import ensure_topics
from pywatt_kafka.aiokafka.security import security_settings
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.consuming.group_reader import records_behind
from pywatt_kafka.consuming.without_group.tail_reader import TailReader
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.producing.producer import MAX_REQUEST_BYTES, Producer
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security
from pywatt_kafka.tracing.attributes import naming_mode
from pywatt_services.kafka_hooks.admin.admin_api import AdminApi
from pywatt_services.kafka_hooks.admin.dead_letter_api import DeadLetterApi
from pywatt_services.kafka_hooks.auth.admission import Admission
from pywatt_services.kafka_hooks.auth.options import AuthOptions
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions
from pywatt_services.kafka_hooks.connection_health import ConnectionHealth
from pywatt_services.kafka_hooks.consuming.member_id_lock import legal_kafka_name
from pywatt_services.kafka_hooks.delivering.delivery_pipeline import DeliveryPipeline
from pywatt_services.kafka_hooks.delivering.share_pipeline import SharePipeline
from pywatt_services.kafka_hooks.delivering.target_caller import Caller, MakeCaller
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter
from pywatt_services.kafka_hooks.http.exchange import Handler
from pywatt_services.kafka_hooks.http.peer_workers import PeerWorkers, ask_peers
from pywatt_services.kafka_hooks.http.routes import Routes
from pywatt_services.kafka_hooks.http.server import HooksServer
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics
from pywatt_services.kafka_hooks.metrics.published_metrics import PublishedMetrics
from pywatt_services.kafka_hooks.publishing.idempotency_codec import MARGIN
from pywatt_services.kafka_hooks.publishing.idempotency_shards import PATHS, IdempotencyShards
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.request_reply import RequestReply
from pywatt_services.kafka_hooks.request_router import RequestRouter
from pywatt_services.kafka_hooks.tracing.traced_caller import TracedCaller
from pywatt_services.kafka_hooks.tracing.traced_publisher import TracedPublisher
from pywatt_services.kafka_hooks.tracing.traced_router import TracedRouter
from pywatt_services.kafka_hooks.tracing.traced_writer import TracedWriter
from pywatt_services.tokens.fetched_keys import FetchedKeys, fetch_keys
from pywatt_services.tokens.token_options import can_check_tokens

logger = logging.getLogger("pywatt.kafka_hooks")

WRITE_TIMEOUT = 5.0  # seconds for the brokers to acknowledge a record: then HTTP clients get a 503
FIRST_CONNECT = 5.0  # seconds that being ready waits for the first attempt to connect
RECORD_MARGIN = 64 * 1024  # bytes of headers and framing around a record's value
CLIENTS_SHARE = 0.8
"""Part of a stop's time that HTTP requests in flight may take."""
HANDOVER_LIMIT = WRITE_TIMEOUT + 1.0  # seconds for requests with idempotency keys that are being served
TOPICS_RETRY = 1.0  # seconds
CONSUMER = "consumer"
REPLY_RECORDS = 500
REPLY_FETCH_TIMEOUT = 1.0  # seconds


async def serve(options: KafkaHooksOptions, context: ServiceContext) -> None:
    """Run one worker until it is asked to stop. Raises MissingExtra, StartError."""
    if find_spec("aiokafka") is None:
        raise MissingExtra("aiokafka", "kafka", needed_by=f"the service {context.service.id}")
    if options.engine == "rdkafka" and find_spec("confluent_kafka") is None:
        raise MissingExtra("confluent_kafka", "rdkafka", needed_by=f"engine of the service {context.service.id}")
    if options.is_share and find_spec("confluent_kafka") is None:
        raise MissingExtra("confluent_kafka", "rdkafka", needed_by=f'the mode "share" of {context.service.id}')
    if options.auth is not None and options.auth.token is not None and not can_check_tokens():
        raise MissingExtra("pyjwt", "jwt", needed_by=f"auth.jwt of the service {context.service.id}")
    try:
        brokers = brokers_from(options.brokers, context.env)
        security = security_from(options.security, context.env)
        security_settings(security)  # now, and not when the first client is made: its files may be unusable
    except KafkaError as error:
        raise StartError(error.message, hint=error.hint) from error
    context.gauge(KAFKA_LAG, records_behind)
    raise_open_files_limit()
    await _ServiceWorker(options, context, brokers, security).run()


class _ServiceWorker:
    def __init__(
        self, options: KafkaHooksOptions, context: ServiceContext, brokers: Sequence[str], security: Security
    ) -> None:
        self._options = options
        self._context = context
        self._brokers = brokers
        self._security = security
        self._client_id = legal_kafka_name(f"{context.app_name}-{context.service.id}-{context.slot}")
        self._largest_record = max(MAX_REQUEST_BYTES, options.publish.body_limit + RECORD_MARGIN)
        self._connection_health = ConnectionHealth(context.degraded)
        self._topics_are_there = asyncio.Event()
        self._tracing = active_tracing()
        self._naming = naming_mode(context.env)

    async def run(self) -> None:
        """Open everything, serve, and end it in reverse: HTTP and deliveries together, writing to Kafka last."""
        async with (
            Producer(
                self._brokers,
                client_id=self._client_id,
                request_timeout=WRITE_TIMEOUT,
                max_request_bytes=self._largest_record,
                security=self._security,
                on_status=self._connection_health.watch("producer"),
                engine=self._options.engine,
            ) as producer,
            anyio.create_task_group() as background,
        ):
            auth = self._options.auth
            publisher = self._publisher(producer, () if auth is None else (auth.header,))
            shards = IdempotencyShards(
                self._context,
                self._context.service.id,
                self._context.endpoint.getsockname(),
                background,
                publisher.idempotency_cache,
                post=PeerWorkers(self._context.mesh).post,
            )
            publisher.use_shards(shards)
            request_reply: RequestReply | None = None
            if self._options.request_replies:
                request_reply = await background.start(self._read_replies, publisher, background)
            metrics = DeliveryMetrics(recorder=self._context.metrics)
            pipeline = self._pipeline(producer, metrics)
            router = RequestRouter(
                publisher,
                request_reply,
                Routes((reply.path, reply) for reply in self._options.request_replies),
                admission=None if auth is None else self._admission(auth, background),
                admin_api=AdminApi(
                    self._options.operations,
                    self._context,
                    background,
                    metrics=metrics,
                    publisher=publisher,
                    request_reply=request_reply,
                    pipeline=pipeline,
                    dead_letters=self._dead_letter_api(),
                    shards=shards,
                    ask_peers=ask_peers,
                ),
            )
            shards.handle_with(router.handle)
            background.start_soon(self._ensure_topics, producer)
            async with anyio.create_task_group() as working:
                if pipeline is not None:
                    working.start_soon(pipeline.run, self._topics_are_there)
                with anyio.move_on_after(FIRST_CONNECT):
                    await self._connection_health.settled()
                await self._serve(self._traced(router), shards)
            background.cancel_scope.cancel()

    def _publisher(self, producer: Producer, secret_headers: tuple[str, ...]) -> Publisher:
        """Return the publishing half, with spans if this worker makes any."""
        tracing, recorder = self._tracing, self._context.metrics
        count = None if recorder is None else PublishedMetrics(recorder).add
        if tracing is None:
            return Publisher(producer, self._options.publish, secret_headers=secret_headers, count=count)
        return TracedPublisher(
            producer,
            self._options.publish,
            secret_headers=secret_headers,
            count=count,
            tracing=tracing,
            mode=self._naming,
        )

    def _traced(self, router: RequestRouter) -> Handler:
        """Return the router, with spans if this worker makes any."""
        if self._tracing is None:
            return router
        return TracedRouter(router, self._tracing, is_own=router.is_for_admin, route_of=router.route_of)

    def _pipeline(self, writer: Producer, metrics: DeliveryMetrics) -> DeliveryPipeline | SharePipeline | None:
        """Return the delivering half; None without topics to deliver."""
        consumer = self._options.consumer
        if consumer is None:
            return None
        tracing = self._tracing
        make_caller: MakeCaller = Caller
        written: RecordWriter = writer
        if tracing is not None:
            make_caller = partial(TracedCaller, tracing=tracing, mode=self._naming, group=consumer.group_id)
            written = TracedWriter(writer, tracing, self._naming)
        if consumer.is_share:
            return SharePipeline(
                self._options,
                consumer,
                self._context,
                brokers=self._brokers,
                security=self._security,
                client_id=self._client_id,
                watch=self._connection_health.watch,
                on_unread=self._connection_health.refused,
                writer=written,
                make_caller=make_caller,
                largest_record=self._largest_record,
                metrics=metrics,
            )
        return DeliveryPipeline(
            self._options,
            consumer,
            self._context,
            brokers=self._brokers,
            security=self._security,
            client_id=self._client_id,
            on_status=self._connection_health.watch(CONSUMER),
            # it waits for its predecessor, which goes only when this worker is ready
            on_waiting=lambda: self._connection_health.leave_out(CONSUMER),
            on_unread=self._connection_health.refused,
            writer=written,
            make_caller=make_caller,
            largest_record=self._largest_record,
            metrics=metrics,
        )

    def _admission(self, auth: AuthOptions, tasks: TaskGroup) -> Admission:
        """Return the admission of clients."""
        fetched: FetchedKeys | None = None
        if auth.token is not None and auth.token.jwks_url is not None:
            fetched = FetchedKeys(fetch_keys(self._context.mesh, auth.token), tasks)
            fetched.refresh()
        return Admission(auth, fetched=fetched)

    def _dead_letter_api(self) -> DeadLetterApi | None:
        topics = {webhook.dlq for webhook in self._options.webhooks if webhook.dlq is not None}
        return DeadLetterApi(self._brokers, topics, self._security) if self._options.operations.dlq else None

    async def _serve(self, router: Handler, shards: IdempotencyShards) -> None:
        """Serve HTTP clients until the worker is asked to stop, then let them finish."""
        context = self._context
        server = HooksServer(
            router,
            base_path=context.base_path,
            body_limit=self._options.publish.body_limit,
            more_inside=dict.fromkeys(PATHS, MARGIN),
        )
        sockets = (context.endpoint, context.loopback)
        tls = open_tls(context.server.https, http2=context.server.http2)
        async with server.on(sockets, public=context.public, backlog=context.server.backlog, tls=tls):
            await context.ready()
            await drain(server, _HandoverStop(context, shards), share=CLIENTS_SHARE)

    async def _ensure_topics(self, producer: Producer) -> None:
        """Create missing topics once the brokers answer; a worker without that permission goes on.

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
                return await ensure_topics(self._brokers, _topics(self._options), security=self._security)
            except KafkaUnavailable as error:
                logger.debug("the topics cannot be looked up now: %s", error)
                await anyio.sleep(TOPICS_RETRY)

    async def _read_replies(
        self, publisher: Publisher, tasks: TaskGroup, *, task_status: TaskStatus[RequestReply]
    ) -> None:
        """Hand every reply to the request that waits for it, until cancelled."""
        topics = dict.fromkeys(reply.response_topic for reply in self._options.request_replies)
        reader = TailReader(
            self._brokers,
            topics,
            client_id=self._client_id,
            security=self._security,
            on_status=self._connection_health.watch("reply reader"),
        )
        request_reply = RequestReply(publisher, reader, tasks)
        task_status.started(request_reply)
        try:
            await self._topics_are_there.wait()
            async with reader:
                while True:
                    batches = await reader.fetch(timeout=REPLY_FETCH_TIMEOUT, max_records=REPLY_RECORDS)
                    for messages in batches.values():
                        for message in messages:
                            request_reply.arrived(message)
        finally:
            request_reply.close()


class _HandoverStop:
    """A stop request that begins with the handover of idempotency keys, while requests are still accepted."""

    def __init__(self, context: ServiceContext, shards: IdempotencyShards) -> None:
        self._context = context
        self._shards = shards

    async def stop_requested(self) -> StopRequest:
        request = await self._context.stop_requested()
        begun = monotonic()
        await self._shards.hand_over(min(HANDOVER_LIMIT, request.timeout / 2))
        return replace(request, timeout=max(request.timeout - (monotonic() - begun), 0.0))

    async def hurry_requested(self) -> StopRequest:
        return await self._context.hurry_requested()


def _topics(options: KafkaHooksOptions) -> set[str]:
    """Return every topic that is read or written."""
    topics = {webhook.topic for webhook in options.webhooks if not webhook.by_pattern}
    topics |= options.publish.topics
    topics |= {
        topic for webhook in options.webhooks for topic in (webhook.dlq, webhook.retry.topic) if topic is not None
    }
    return topics | {
        topic for reply in options.request_replies for topic in (reply.request_topic, reply.response_topic)
    }
