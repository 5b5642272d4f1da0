"""Serves operators over HTTP: `GET /metrics`, `GET /why`, and `/dlq` where it is enabled."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import time
from typing import Any

import anyio
from anyio.abc import TaskGroup

from pywatt.circuit_breaker import BreakerState
from pywatt.service_type import ServiceContext
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition, Unstable
from pywatt_services.kafka_hooks.admin.dead_letter_api import DeadLetterApi
from pywatt_services.kafka_hooks.admin.lag_explanation import ExplainedTarget, explain_lag, oldest
from pywatt_services.kafka_hooks.config.options import OperationsOptions
from pywatt_services.kafka_hooks.delivering.delivery_pipeline import DeliveryPipeline
from pywatt_services.kafka_hooks.delivering.share_pipeline import SharePipeline
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse, bad_request, document, failed, no_route
from pywatt_services.kafka_hooks.metrics.delivery_metrics import DeliveryMetrics
from pywatt_services.kafka_hooks.metrics.families import (
    breaker_state,
    consumer_lag,
    delivery_families,
    oldest_unfinished_seconds,
    publish_buffered_bytes,
    requests_waiting,
)
from pywatt_services.kafka_hooks.metrics.prometheus import CONTENT_TYPE, MetricFamily, merge_texts, write_text
from pywatt_services.kafka_hooks.publishing.idempotency_shards import PATHS as KEY_PATHS
from pywatt_services.kafka_hooks.publishing.idempotency_shards import IdempotencyShards
from pywatt_services.kafka_hooks.publishing.publisher import Publisher, error_response
from pywatt_services.kafka_hooks.request_reply import RequestReply
from pywatt_services.kafka_hooks.webhooks.templates import shown

METRICS, WHY, DLQ = "/metrics", "/why", "/dlq"
OPEN = frozenset({METRICS, WHY}) | KEY_PATHS
"""Paths that the app's own services may request without credentials; a forwarded request brings its own."""
OWN = b"worker=own"
"""The query of a worker that asks its peers."""
LAG_LIMIT = 2.0  # seconds for finding where partitions end
BREAKER_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}

logger = logging.getLogger("pywatt.kafka_hooks")

AskPeers = Callable[[ServiceContext, str], Awaitable[Sequence[bytes]]]


class AdminApi:
    """Responds for one worker and, to requests from outside the service, for its peers."""

    def __init__(
        self,
        options: OperationsOptions,
        context: ServiceContext,
        tasks: TaskGroup,
        *,
        metrics: DeliveryMetrics,
        publisher: Publisher,
        request_reply: RequestReply | None,
        pipeline: DeliveryPipeline | SharePipeline | None,
        dead_letters: DeadLetterApi | None,
        shards: IdempotencyShards | None,
        ask_peers: AskPeers,
        now: Callable[[], float] = time,
    ) -> None:
        self._options = options
        self._context = context
        self._tasks = tasks
        self._metrics = metrics
        self._publisher = publisher
        self._request_reply = request_reply
        self._pipeline = pipeline
        self._dead_letters = dead_letters
        self._shards = shards
        self._ask_peers = ask_peers
        self._now = now

    def handles(self, request: Request) -> bool:
        """Tell whether a request is for this API, which is closed to requests from outside unless it is public."""
        path = request.path
        if path in OPEN:
            if path in KEY_PATHS:
                return self._shards is not None and request.method == "POST" and not request.from_outside
            meant = request.method == "GET"
        else:
            meant = self._dead_letters is not None and (path == DLQ or path.startswith(f"{DLQ}/"))
        return meant and (self._options.public or not request.from_outside)

    def is_open(self, request: Request) -> bool:
        """Tell whether a request needs no credentials, because it comes from inside the app."""
        return request.path in OPEN and not request.from_outside

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        """Respond later; a client that disconnects cancels that."""
        if request.path in KEY_PATHS and self._shards is not None:
            if exchange.is_from_same_user:
                self._shards.receive(request, exchange)
            else:
                exchange.respond(no_route(request.method, request.target))
            return
        self._tasks.start_soon(self._run, request, exchange)

    async def _run(self, request: Request, exchange: HooksExchange) -> None:
        with anyio.CancelScope() as scope:
            exchange.on_gone(scope.cancel)
            try:
                response = await self._answer(request)
            except ValueError as error:
                response = bad_request(str(error))
            except KafkaError as error:
                response = error_response(error)
            except Exception:
                logger.exception("%s %s failed", request.method, request.path)
                response = failed()
            exchange.respond(response)

    async def _answer(self, request: Request) -> HttpResponse:
        if request.path == METRICS:
            return await self._answer_metrics(alone=request.query == OWN)
        if request.path == WHY:
            return await self._answer_why(alone=request.query == OWN)
        if self._dead_letters is None:
            return no_route(request.method, request.target)
        return await self._dead_letters.answer(request)

    async def _answer_metrics(self, *, alone: bool) -> HttpResponse:
        families = [*delivery_families(self._metrics.topics), *self._state(), *await self._lag()]
        text = write_text(families, {"worker": str(self._context.slot)})
        if not alone:
            others = await self._ask_peers(self._context, f"{METRICS}?{OWN.decode()}")
            text = merge_texts([text, *(other.decode() for other in others)])
        return HttpResponse(200, ((b"content-type", CONTENT_TYPE),), text.encode())

    async def _answer_why(self, *, alone: bool) -> HttpResponse:
        pipeline = self._pipeline
        own: list[dict[str, Any]] = []
        if pipeline is not None:
            own = explain_lag(pipeline.held, pipeline.targets, self._now(), await self._unstable(pipeline))
        partitions: list[Any] = [{"worker": self._context.slot, **each} for each in own]
        if not alone:
            for other in await self._ask_peers(self._context, f"{WHY}?{OWN.decode()}"):
                partitions += json.loads(other)["partitions"]
        return document({"partitions": partitions})

    async def _unstable(self, pipeline: DeliveryPipeline | SharePipeline) -> Mapping[TopicPartition, Unstable]:
        """Return the partitions that open transactions hold; nothing without an answer from Kafka."""
        with anyio.move_on_after(LAG_LIMIT):
            try:
                return await pipeline.unstable()
            except KafkaError as error:
                logger.debug("it is not known whether transactions are open: %s", error)
        return {}

    def _state(self) -> list[MetricFamily]:
        families = [
            publish_buffered_bytes(self._publisher.buffered),
            requests_waiting(0 if self._request_reply is None else self._request_reply.waiting),
        ]
        if self._pipeline is None:
            return families
        targets, now = self._pipeline.targets, self._now()
        ages = {
            place: max(queue.head.age(now) for queue in queues.values()) for place, queues in oldest(targets).items()
        }
        return [*families, oldest_unfinished_seconds(ages), breaker_state(breaker_samples(targets))]

    async def _lag(self) -> list[MetricFamily]:
        """Return the uncommitted records of this worker's partitions; nothing without an answer from Kafka."""
        if self._pipeline is None:
            return []
        with anyio.move_on_after(LAG_LIMIT):
            return [consumer_lag(await self._pipeline.lag())]
        return []


def breaker_samples(targets: Iterable[ExplainedTarget]) -> dict[tuple[str, str], int]:
    """Return the states of breakers by topic and URL; of several entries for both, the worst."""
    found: dict[tuple[str, str], int] = {}
    for target in targets:
        if (state := target.breaker_state) is not None:
            name = target.options.topic, shown(target.options.url)
            found[name] = max(found.get(name, 0), BREAKER_STATES[state])
    return found
