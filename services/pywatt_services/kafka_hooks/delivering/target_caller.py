"""Makes the calls to one target and says what came of each."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from time import time
from typing import NamedTuple, Protocol

from pywatt.errors import BadResponse, ConnectFailed, MeshError
from pywatt.http.client.call import Outcome, Response
from pywatt_kafka.dlq.codec import KEPT_BODY
from pywatt_kafka.processing.key_queues import KeyQueue
from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.bundle import UnreadableResponse, refused_records
from pywatt_services.kafka_hooks.webhooks.egress import BegunCall, WebhookClient, WebhookResponse
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.request import RequestMaker, WebhookRequest
from pywatt_services.kafka_hooks.webhooks.retry import retry_after, succeeded
from pywatt_services.kafka_hooks.webhooks.templates import shown
from pywatt_services.kafka_hooks.wire.headers import RETRY_AFTER, RawHeaders

logger = logging.getLogger("pywatt.kafka_hooks")

CONNECT_FAILURE_SECONDS = 0.05
"""Seconds for which a refused connection fails attempts with other records too.

A dead target's records come due in bursts, and connecting for each of them would cost the other targets their time.
"""

KEPT_HEADERS = 8192  # bytes of an answer's headers that an attempt keeps, for the dead letter


class AttemptOwner(Protocol):
    """Owner of an attempt that was begun at the head of a queue."""

    def attempted(self, queue: KeyQueue[Delivery], failure: Attempt | None) -> None:
        """The attempt was made; None: the target took the record."""
        ...

    def not_attempted(self, queue: KeyQueue[Delivery]) -> None:
        """There was no attempt: `Caller.deliver` is to make it."""
        ...


class _ConnectFailure(NamedTuple):
    delivery: Delivery
    until: float
    cause: str
    is_probed: bool = False
    """True if its time is over, and the attempt of `delivery` shows whether it still holds."""


@dataclass(frozen=True, slots=True)
class _StatusOnly:
    """An answer of which nothing can be taken but its status, as the rest is not HTTP or too large."""

    status: int
    trouble: str
    headers: RawHeaders = ()
    body: bytes = b""


class Caller:
    """Calls one target."""

    def __init__(
        self, options: WebhookOptions, client: WebhookClient, metrics: TopicMetrics, now: Callable[[], float] = time
    ) -> None:
        self.method = options.method
        self.metrics = metrics
        self._options = options
        self._client = client
        self._now = now
        self._requests = RequestMaker(options)
        self._shown = shown(options.url)
        self._connect_failure: _ConnectFailure | None = None
        self._throttle = LogThrottle()

    def refused(self, delivery: Delivery) -> Attempt | None:
        """Return the failure of an attempt that need not be made: the target has just refused another record's."""
        if self._connect_failure is None:
            return None
        now = self._now()
        cause = self._refused(delivery, now)
        if cause is None:
            return None
        self.metrics.ended(self.metrics.begun(), self.method, None)
        return self.judge(delivery, now, cause)

    def begin(self, queue: KeyQueue[Delivery], owner: AttemptOwner) -> BegunCall | None:
        """Send the head of a queue once, without a task; None when that cannot be done now: then `deliver` can."""
        delivery = queue.head
        now = self._now()
        if self._connect_failure is not None and now < self._connect_failure.until:
            return None
        attempt = _BegunAttempt(self, queue, owner, now)
        try:
            request = self._requests.make(delivery.message, delivery.attempts + 1, now)
            call = self._client.begin(
                self.method,
                request.url,
                attempt.ended,
                lines=request.lines,
                body=request.body,
                timeout=self._options.retry.attempt_timeout,
            )
        except Exception as error:  # noqa: BLE001  `deliver` meets it again, and says what is wrong
            logger.debug("%s takes a task: %r", delivery.place, error)
            return None
        if call is not None:
            attempt.begun = self.metrics.begun()
        return call

    async def deliver(self, delivery: Delivery) -> Attempt | None:
        """Send a record once; return None when it was taken. Raises TemplateError when it has no URL."""
        now = self._now()
        request = self._requests.make(delivery.message, delivery.attempts + 1, now)
        response = await self._call(request, delivery)
        return self.judge(delivery, now, response)

    async def deliver_all(self, deliveries: Sequence[Delivery]) -> Sequence[Attempt | None]:
        """Send several records in one call; return what `deliver` would for each."""
        now = self._now()
        request = self._requests.bundle(deliveries, now)
        response = await self._call(request, deliveries[0])
        try:
            if isinstance(response, str) or not succeeded(response.status, self._options.retry):
                return [self.judge(each, now, response) for each in deliveries]
            if isinstance(response, _StatusOnly):
                raise UnreadableResponse(response.trouble)
            refused = refused_records(response.headers, response.body, len(deliveries))
            return [
                self._attempt(each, now, response, refused[index]) if index in refused else None
                for index, each in enumerate(deliveries)
            ]
        except Exception as error:  # noqa: BLE001  it is told
            return [self._unreadable(each, now, error) for each in deliveries]

    async def _call(self, request: WebhookRequest, delivery: Delivery) -> WebhookResponse | str:
        """Make one call; return the answer, or why there was none."""
        status: int | None = None
        begun = self.metrics.begun()
        cause = self._refused(delivery, self._now())
        if cause is not None:
            self.metrics.ended(begun, self.method, None)
            return cause
        try:
            response = await self._client.request(
                self.method,
                request.url,
                lines=request.lines,
                body=request.body,
                timeout=self._options.retry.attempt_timeout,
            )
            status = response.status
            self._connect_failure = None
            return response
        except ConnectFailed as error:
            cause = cause_of(error)
            self._connect_failure = _ConnectFailure(delivery, self._now() + CONNECT_FAILURE_SECONDS, cause)
            return cause
        except MeshError as error:
            made = self.outcome(error)
            status = None if isinstance(made, str) else made.status
            return made
        except Exception as error:
            # One record that trips over a mistake of ours must not stop all the others: it counts as a failed attempt.
            logger.exception("delivering %s failed", delivery.place)
            return f"{type(error).__name__}: {error}"
        finally:
            self.metrics.ended(begun, self.method, status)

    def judge(self, delivery: Delivery, now: float, response: WebhookResponse | str) -> Attempt | None:
        """Return the failed attempt that a response, or the reason for there being none, makes; None for a success.

        Raises nothing, whatever the response holds: an unreadable one makes a failed attempt. From here on there are
        only numbers within their bounds, and texts that may be shown.
        """
        try:
            if isinstance(response, str):
                return Attempt(number=delivery.attempts + 1, requested_at=now, status=None, cause=response)
            if succeeded(response.status, self._options.retry):
                return None
            return self._attempt(delivery, now, response)
        except Exception as error:  # noqa: BLE001  it is told
            return self._unreadable(delivery, now, error)

    def outcome(self, error: MeshError) -> WebhookResponse | str:
        """Return the status of a response that is malformed otherwise, else the reason for there being none.

        With its status the target has said what it did with the record. Later errors concern the connection, which is
        closed, and the body, which only a bundle needs.
        """
        if not isinstance(error, BadResponse) or error.status is None:
            return cause_of(error)
        if self._throttle.due():
            logger.warning("%s answers %d, which counts, but: %s", self._shown, error.status, error.message)
        return _StatusOnly(error.status, error.message)

    def _attempt(self, delivery: Delivery, now: float, response: WebhookResponse, status: int | None = None) -> Attempt:
        asked = next((value for name, value in response.headers if name == RETRY_AFTER), None)
        return Attempt(
            number=delivery.attempts + 1,
            requested_at=now,
            status=status or response.status,
            headers=_kept(response.headers),
            body=response.body[: KEPT_BODY + 1],
            retry_after=None if asked is None else retry_after(asked, self._now()),
        )

    def _unreadable(self, delivery: Delivery, now: float, error: Exception) -> Attempt:
        """Return the failed attempt that an unreadable response makes."""
        if not isinstance(error, UnreadableResponse):
            logger.error("the answer to %s makes a failed attempt", delivery.place, exc_info=error)
        elif self._throttle.due():
            logger.warning("%s: an answer cannot be read, and counts for no record: %s", self._shown, error)
        cause = f"the answer cannot be read: {error}"
        return Attempt(number=delivery.attempts + 1, requested_at=now, status=None, cause=cause)

    def _refused(self, delivery: Delivery, now: float) -> str | None:
        """Return the reason for which the target would most likely refuse an attempt; None if it may succeed."""
        failure = self._connect_failure
        if failure is None or failure.delivery is delivery:
            return None
        if now < failure.until:
            return failure.cause
        # This one connects. The others fail meanwhile, or they would all connect; but not for longer than it takes
        # to be refused: a connection that is made may wait long for its response.
        again = _ConnectFailure(delivery, now + CONNECT_FAILURE_SECONDS, failure.cause, is_probed=True)
        self._connect_failure = None if failure.is_probed else again
        return None


MakeCaller = Callable[[WebhookOptions, WebhookClient, TopicMetrics, Callable[[], float]], Caller]


class _BegunAttempt:
    """An attempt that ends without a task."""

    __slots__ = ("_caller", "_now", "_owner", "_queue", "begun")

    def __init__(self, caller: Caller, queue: KeyQueue[Delivery], owner: AttemptOwner, now: float) -> None:
        self._caller = caller
        self._queue = queue
        self._owner = owner
        self._now = now
        self.begun = 0.0

    def ended(self, outcome: Outcome) -> None:
        """Report the outcome."""
        caller, queue = self._caller, self._queue
        if isinstance(outcome, Response):
            caller.metrics.ended(self.begun, caller.method, outcome.status)
            self._owner.attempted(queue, caller.judge(queue.head, self._now, outcome))
            return
        if outcome is None:
            caller.metrics.ended(self.begun, caller.method, None)
            self._owner.not_attempted(queue)
            return
        response = caller.outcome(outcome)
        caller.metrics.ended(self.begun, caller.method, None if isinstance(response, str) else response.status)
        self._owner.attempted(queue, caller.judge(queue.head, self._now, response))


def _kept(headers: RawHeaders) -> RawHeaders:
    """Return the first headers of a response: a target that fails may send 64 KiB of them for each attempt."""
    if sum(len(name) + len(value) for name, value in headers) <= KEPT_HEADERS:
        return headers
    kept: list[tuple[bytes, bytes]] = []
    left = KEPT_HEADERS
    for name, value in headers:
        left -= len(name) + len(value)
        if left < 0:
            break
        kept.append((name, value))
    return kept


def cause_of(error: MeshError) -> str:
    """Return the error's words and, where a system error lies beneath, its name (such as ECONNREFUSED)."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in errno.errorcode:
            return f"{error.message} ({errno.errorcode[cause.errno]})"
        cause = cause.__cause__ or cause.__context__
    return error.message
