"""What those who run the app ask: `GET /metrics`, `GET /why`, and `/dlq` where it is switched on."""

from __future__ import annotations

import json
import logging
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from time import time
from typing import Any

import anyio
from anyio.abc import TaskGroup

from pywatt.service_type import ServiceContext
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition, Unstable
from pywatt_services.kafka_hooks.config.options import OperationsOptions
from pywatt_services.kafka_hooks.dead_letter_api import DeadLetterApi
from pywatt_services.kafka_hooks.delivering.deliveries import Deliveries
from pywatt_services.kafka_hooks.delivering.holdups import Target, hold_ups, oldest
from pywatt_services.kafka_hooks.delivering.meters import Meters
from pywatt_services.kafka_hooks.exposition import CONTENT_TYPE, Family, merge_expositions, write_exposition
from pywatt_services.kafka_hooks.http.answers import HttpAnswer, bad_request, document, failed, no_route
from pywatt_services.kafka_hooks.http.exchange import Exchange, Request
from pywatt_services.kafka_hooks.publishing.key_owners import PATHS as KEY_PATHS
from pywatt_services.kafka_hooks.publishing.key_owners import KeyOwners
from pywatt_services.kafka_hooks.publishing.publish import Publisher, problem
from pywatt_services.kafka_hooks.reply import Replies
from pywatt_services.kafka_hooks.webhooks.breaker import BreakerState
from pywatt_services.kafka_hooks.webhooks.templates import shown

METRICS, WHY, DLQ = "/metrics", "/why", "/dlq"
OPEN = frozenset({METRICS, WHY}) | KEY_PATHS
"""What other parts of the app may ask for without credentials; a request that is passed on brings its own."""
OWN = b"worker=own"
"""The query of a worker that asks its siblings."""
LAG_LIMIT = 2.0  # seconds for finding where partitions end
BREAKER_STATES = {BreakerState.CLOSED: 0, BreakerState.HALF_OPEN: 1, BreakerState.OPEN: 2}

logger = logging.getLogger("pywatt.kafka_hooks")

AskSiblings = Callable[[ServiceContext, str], Awaitable[Sequence[bytes]]]


class Operations:
    """Answers for one worker and, when it is asked from outside the service, for its siblings."""

    def __init__(
        self,
        options: OperationsOptions,
        context: ServiceContext,
        tasks: TaskGroup,
        *,
        meters: Meters,
        publisher: Publisher,
        replies: Replies | None,
        deliveries: Deliveries | None,
        dead_letters: DeadLetterApi | None,
        owners: KeyOwners | None,
        ask_siblings: AskSiblings,
        now: Callable[[], float] = time,
    ) -> None:
        self._options = options
        self._context = context
        self._tasks = tasks
        self._meters = meters
        self._publisher = publisher
        self._replies = replies
        self._deliveries = deliveries
        self._dead_letters = dead_letters
        self._owners = owners
        self._ask_siblings = ask_siblings
        self._now = now

    def handles(self, request: Request) -> bool:
        """Tell whether a request is answered here: requests from outside are not, unless that is wished."""
        path = request.path
        if path in OPEN:
            if path in KEY_PATHS:
                return self._owners is not None and request.method == "POST" and not request.from_outside
            meant = request.method == "GET"
        else:
            meant = self._dead_letters is not None and (path == DLQ or path.startswith(f"{DLQ}/"))
        return meant and (self._options.public or not request.from_outside)

    def is_open(self, request: Request) -> bool:
        """Tell whether a request needs no credentials: those parts of the app may look that are inside."""
        return request.path in OPEN and not request.from_outside

    def handle(self, request: Request, exchange: Exchange) -> None:
        """Answer later; a client that goes away breaks it off."""
        if request.path in KEY_PATHS and self._owners is not None:
            if exchange.is_from_same_user:
                self._owners.receive(request, exchange)
            else:
                exchange.answer(no_route(request.method, request.target))
            return
        self._tasks.start_soon(self._run, request, exchange)

    async def _run(self, request: Request, exchange: Exchange) -> None:
        with anyio.CancelScope() as scope:
            exchange.on_gone(scope.cancel)
            try:
                answer = await self._answer(request)
            except ValueError as error:
                answer = bad_request(str(error))
            except KafkaError as error:
                answer = problem(error)
            except Exception:
                logger.exception("%s %s failed", request.method, request.path)
                answer = failed()
            exchange.answer(answer)

    async def _answer(self, request: Request) -> HttpAnswer:
        if request.path == METRICS:
            return await self._metrics(alone=request.query == OWN)
        if request.path == WHY:
            return await self._why(alone=request.query == OWN)
        if self._dead_letters is None:
            return no_route(request.method, request.target)
        return await self._dead_letters.answer(request)

    async def _metrics(self, *, alone: bool) -> HttpAnswer:
        families = [*self._meters.families(), *self._state(), *await self._lag()]
        text = write_exposition(families, {"worker": str(self._context.slot)})
        if not alone:
            others = await self._ask_siblings(self._context, f"{METRICS}?{OWN.decode()}")
            text = merge_expositions([text, *(other.decode() for other in others)])
        return HttpAnswer(200, ((b"content-type", CONTENT_TYPE),), text.encode())

    async def _why(self, *, alone: bool) -> HttpAnswer:
        deliveries = self._deliveries
        own: list[dict[str, Any]] = []
        if deliveries is not None:
            own = hold_ups(deliveries.held, deliveries.targets, self._now(), await self._unstable(deliveries))
        partitions: list[Any] = [{"worker": self._context.slot, **each} for each in own]
        if not alone:
            for other in await self._ask_siblings(self._context, f"{WHY}?{OWN.decode()}"):
                partitions += json.loads(other)["partitions"]
        return document({"partitions": partitions})

    async def _unstable(self, deliveries: Deliveries) -> Mapping[TopicPartition, Unstable]:
        """Return what open transactions hold; nothing while Kafka does not say."""
        with anyio.move_on_after(LAG_LIMIT):
            try:
                return await deliveries.unstable()
            except KafkaError as error:
                logger.debug("it is not known whether transactions are open: %s", error)
        return {}

    def _state(self) -> list[Family]:
        families = [
            Family(
                "kafka_hooks_publish_buffered_bytes",
                "gauge",
                "Bytes of published records that wait for their acknowledgement",
                [("", {}, self._publisher.buffered)],
            ),
            Family(
                "kafka_hooks_requests_waiting",
                "gauge",
                "Requests that wait for their reply",
                [("", {}, 0 if self._replies is None else self._replies.waiting)],
            ),
        ]
        if self._deliveries is None:
            return families
        targets, now = self._deliveries.targets, self._now()
        ages = {place: max(lane.head.age(now) for lane in lanes.values()) for place, lanes in oldest(targets).items()}
        return [
            *families,
            Family(
                "kafka_hooks_oldest_unfinished_seconds",
                "gauge",
                "Age of the oldest record that is in work or waits",
                [("", {"topic": p.topic, "partition": str(p.partition)}, age) for p, age in sorted(ages.items())],
            ),
            Family(
                "kafka_hooks_breaker_state",
                "gauge",
                "Circuit breaker of a target: 0 closed, 1 trying one record, 2 open",
                [("", {"topic": topic, "url": url}, state) for (topic, url), state in breaker_samples(targets).items()],
            ),
        ]

    async def _lag(self) -> list[Family]:
        """Return how many records of our partitions are not committed; nothing while Kafka does not say."""
        if self._deliveries is None:
            return []
        with anyio.move_on_after(LAG_LIMIT):
            lag = await self._deliveries.lag()
            samples = [("", {"topic": p.topic, "partition": str(p.partition)}, behind) for p, behind in lag.items()]
            return [Family("kafka_hooks_consumer_lag", "gauge", "Records that are not committed yet", samples)]
        return []


def breaker_samples(targets: Iterable[Target]) -> dict[tuple[str, str], int]:
    """Return how the breakers stand, by topic and URL; of several entries for both, the one that is worst off."""
    found: dict[tuple[str, str], int] = {}
    for target in targets:
        if (state := target.breaker_state) is not None:
            name = target.options.topic, shown(target.options.url)
            found[name] = max(found.get(name, 0), BREAKER_STATES[state])
    return found
