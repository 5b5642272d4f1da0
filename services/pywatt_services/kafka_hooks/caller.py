"""Makes the calls to one target and says what came of each."""

from __future__ import annotations

import errno
import logging
from collections.abc import Callable, Sequence
from time import time
from typing import NamedTuple, Protocol

from pywatt.errors import ConnectFailed, MeshError
from pywatt_services.kafka_hooks.bundle import refusals
from pywatt_services.kafka_hooks.dead_letter import KEPT_BODY, Attempt
from pywatt_services.kafka_hooks.delivery import Delivery
from pywatt_services.kafka_hooks.headers import RawHeaders
from pywatt_services.kafka_hooks.meters import TopicMeter
from pywatt_services.kafka_hooks.retry import succeeded
from pywatt_services.kafka_hooks.webhook_options import WebhookOptions
from pywatt_services.kafka_hooks.webhook_request import RequestMaker, WebhookRequest

logger = logging.getLogger("pywatt.kafka_hooks")

REFUSAL_HOLDS = 0.05
"""Seconds for which a refused connection answers for attempts at the same URL with other records.

A dead target's records come due in bursts, and to knock for each of them would cost the other targets their time.
"""


class Answer(Protocol):
    """What a webhook answered."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> RawHeaders: ...
    @property
    def body(self) -> bytes: ...


class HttpClient(Protocol):
    """What makes the calls; raises MeshError when there is no answer."""

    async def request(self, method: str, url: str, *, headers: RawHeaders, body: bytes, timeout: float) -> Answer: ...


class _Refusal(NamedTuple):
    delivery: Delivery
    url: str
    until: float
    cause: str


class Caller:
    """Calls one target."""

    def __init__(
        self, options: WebhookOptions, client: HttpClient, meter: TopicMeter, now: Callable[[], float] = time
    ) -> None:
        self._options = options
        self._client = client
        self._meter = meter
        self._now = now
        self._requests = RequestMaker(options)
        self._refusal: _Refusal | None = None

    async def deliver(self, delivery: Delivery) -> Attempt | None:
        """Send a record once; return None when it was taken. Raises TemplateError when it has no URL."""
        now = self._now()
        request = delivery.request
        if request is None:
            request = delivery.request = self._requests.make(delivery.message)
        number = delivery.attempts + 1
        answer = await self._call(request, self._requests.headers(request, number, now), delivery)
        if isinstance(answer, str):
            return Attempt(number=number, requested_at=now, status=None, cause=answer)
        if succeeded(answer.status, self._options.retry):
            return None
        return _attempt(delivery, now, answer)

    async def deliver_all(self, deliveries: Sequence[Delivery]) -> Sequence[Attempt | None]:
        """Send several records in one call; return what `deliver` would for each."""
        now = self._now()
        request = self._requests.bundle(deliveries)
        answer = await self._call(request, self._requests.headers(request, None, now), deliveries[0])
        if isinstance(answer, str):
            return [
                Attempt(number=each.attempts + 1, requested_at=now, status=None, cause=answer) for each in deliveries
            ]
        if not succeeded(answer.status, self._options.retry):
            return [_attempt(each, now, answer) for each in deliveries]
        refused = refusals(answer.body, len(deliveries))
        return [
            _attempt(each, now, answer, refused[index]) if index in refused else None
            for index, each in enumerate(deliveries)
        ]

    async def _call(self, request: WebhookRequest, headers: RawHeaders, delivery: Delivery) -> Answer | str:
        """Make one call; return the answer, or why there was none."""
        status: int | None = None
        begun = self._meter.begun()
        refusal = self._refusal
        if refusal is not None and self._is_refused(refusal, request, delivery):
            self._meter.ended(begun, self._options.method, None)
            return refusal.cause
        try:
            answer = await self._client.request(
                self._options.method,
                request.url,
                headers=headers,
                body=request.body,
                timeout=self._options.retry.attempt_timeout,
            )
            status = answer.status
            return answer
        except ConnectFailed as error:
            cause = cause_of(error)
            self._refusal = _Refusal(delivery, request.url, self._now() + REFUSAL_HOLDS, cause)
            return cause
        except MeshError as error:
            return cause_of(error)
        except Exception as error:
            # One record that trips over a mistake of ours must not stop all the others: it counts as a failed attempt.
            logger.exception("delivering %s failed", delivery.place)
            return f"{type(error).__name__}: {error}"
        finally:
            self._meter.ended(begun, self._options.method, status)

    def _is_refused(self, refusal: _Refusal, request: WebhookRequest, delivery: Delivery) -> bool:
        return refusal.delivery is not delivery and refusal.url == request.url and self._now() < refusal.until


def _attempt(delivery: Delivery, now: float, answer: Answer, status: int | None = None) -> Attempt:
    return Attempt(
        number=delivery.attempts + 1,
        requested_at=now,
        status=status or answer.status,
        headers=answer.headers,
        body=answer.body[: KEPT_BODY + 1],
    )


def cause_of(error: MeshError) -> str:
    """Return the error's words and, where a system error lies beneath, its name (such as ECONNREFUSED)."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in errno.errorcode:
            return f"{error.message} ({errno.errorcode[cause.errno]})"
        cause = cause.__cause__ or cause.__context__
    return error.message
