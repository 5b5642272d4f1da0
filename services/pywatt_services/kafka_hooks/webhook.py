"""Delivers the records of one topic: a bounded number at once, one at a time per key, until each is done or dead."""

from __future__ import annotations

import asyncio
import errno
import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from time import time
from typing import Protocol

from anyio.abc import TaskGroup

from pywatt.errors import MeshError
from pywatt_kafka.errors import KafkaError, RecordTooLarge
from pywatt_kafka.records import Message, RecordPosition, TopicPartition
from pywatt_services.kafka_hooks.config import DeadLetterFormat, WebhookOptions
from pywatt_services.kafka_hooks.dead_letter import KEPT_BODY, Attempt, dead_letter
from pywatt_services.kafka_hooks.headers import ATTEMPT, RawHeaders, webhook_headers
from pywatt_services.kafka_hooks.lanes import Lane, Lanes
from pywatt_services.kafka_hooks.pace import Pace
from pywatt_services.kafka_hooks.partition import HeldPartition
from pywatt_services.kafka_hooks.retry import DeadLetter, Done, Retry, decide

logger = logging.getLogger("pywatt.kafka_hooks")

ATTEMPT_TIMEOUT = 30.0  # seconds for one attempt, the whole answer included
KEPT_FAILURES = 10  # of the last attempts, for the dead letter
FIRST_DLQ_BACKOFF = 0.5  # seconds before a dead letter that could not be written is tried again, doubled each time ...
LONGEST_DLQ_BACKOFF = 15.0  # ... up to this
_ATTEMPT = ATTEMPT.encode()


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


class RecordWriter(Protocol):
    """What writes dead letters; raises KafkaError."""

    async def send(self, topic: str, value: bytes | None) -> RecordPosition: ...


@dataclass(slots=True, eq=False)
class Delivery:
    """One record on its way to its webhook."""

    message: Message
    partition: HeldPartition
    attempts: int = 0
    failures: deque[Attempt] = field(default_factory=lambda: deque(maxlen=KEPT_FAILURES))
    headers: RawHeaders | None = None
    """The request's headers but for the attempt, made at the first one."""
    verdict: DeadLetter | None = None
    """Set when no attempt is left; the dead letter is still to be written."""
    dlq_backoff: float = FIRST_DLQ_BACKOFF


class Webhook:
    """The deliveries of one entry of `topics`. Its tasks belong to `tasks`."""

    def __init__(
        self,
        options: WebhookOptions,
        *,
        client: HttpClient,
        writer: RecordWriter,
        tasks: TaskGroup,
        concurrency: int,
        dlq_format: DeadLetterFormat,
        finished: Callable[[Delivery], None],
        now: Callable[[], float] = time,
    ) -> None:
        """`finished` is called once for each record that needs no further work and whose partition is not lost."""
        self._options = options
        self._client = client
        self._writer = writer
        self._tasks = tasks
        self._concurrency = concurrency
        self._dlq_format = dlq_format
        self._finished = finished
        self._now = now
        self._pace = Pace()
        self._lanes: Lanes[Delivery] = Lanes()
        self._runners = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()

    def accept(self, delivery: Delivery) -> None:
        """Queue a record behind those of the same key; a record without a key waits for nobody."""
        message = delivery.message
        key: bytes | int = message.offset if message.key is None else message.key
        self._lanes.add(TopicPartition(message.topic, message.partition), key, delivery)
        self._start_runner()

    def drop(self, partition: TopicPartition) -> None:
        """Forget what is not in flight: the partition is another member's now."""
        self._lanes.drop(partition)

    def stop(self) -> None:
        """Start nothing new."""
        self._stopping = True

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()

    def _start_runner(self) -> None:
        if self._runners < self._concurrency and not self._stopping and self._lanes.runnable:
            self._runners += 1
            self._idle.clear()
            self._tasks.start_soon(self._run)

    async def _run(self) -> None:
        """Work on one runnable lane after another, as long as there are any."""
        try:
            while not self._stopping and (lane := self._lanes.take()) is not None:
                await self._step(lane)
        finally:
            self._runners -= 1
            if not self._runners:
                self._idle.set()

    async def _step(self, lane: Lane[Delivery]) -> None:
        delivery = lane.head
        if delivery.verdict is None:
            wait = await self._attempt(delivery)
        else:
            wait = await self._bury(delivery, delivery.verdict)
        if delivery.partition.lost:
            self._lanes.finish(lane)
        elif wait is None:
            self._lanes.finish(lane)
            self._finished(delivery)
        else:
            self._lanes.park(lane)
            asyncio.get_running_loop().call_later(wait, self._unpark, lane)

    def _unpark(self, lane: Lane[Delivery]) -> None:
        self._lanes.unpark(lane)
        self._start_runner()

    async def _attempt(self, delivery: Delivery) -> float | None:
        """Make the next attempt; return the seconds until the record's next step, None when it is finished."""
        attempt = await self._call(delivery)
        delivery.attempts += 1
        match decide(attempt.status, delivery.attempts, self._options.retry):
            case Done():
                return None
            case Retry(after):
                delivery.failures.append(attempt)
                return after
            case DeadLetter() as verdict:
                delivery.failures.append(attempt)
                delivery.verdict = verdict
                return await self._bury(delivery, verdict)

    async def _call(self, delivery: Delivery) -> Attempt:
        """Send the record once."""
        options, message = self._options, delivery.message
        number, requested_at = delivery.attempts + 1, self._now()
        try:
            if delivery.headers is None:
                delivery.headers = webhook_headers(options.headers, message.headers, message.key)
            counted = ((_ATTEMPT, b"%d" % number),) if options.include_attempt else ()
            answer = await self._client.request(
                options.method,
                options.url,
                headers=(*delivery.headers, *counted),
                body=message.value or b"",
                timeout=ATTEMPT_TIMEOUT,
            )
        except MeshError as error:
            return Attempt(number=number, requested_at=requested_at, status=None, cause=cause_of(error))
        except Exception as error:
            # One record that trips over a mistake of ours must not stop all the others: it counts as a failed attempt.
            logger.exception("delivering %s failed", _place(message))
            return Attempt(
                number=number, requested_at=requested_at, status=None, cause=f"{type(error).__name__}: {error}"
            )
        return Attempt(
            number=number,
            requested_at=requested_at,
            status=answer.status,
            headers=answer.headers,
            body=answer.body[: KEPT_BODY + 1],
        )

    async def _bury(self, delivery: Delivery, verdict: DeadLetter) -> float | None:
        """Write the dead letter; return the seconds until that must be tried again, None when it is acknowledged."""
        topic, message = self._options.dlq, delivery.message
        if topic is None:
            logger.error(
                "%s is given up after %d attempts (%s) and has no dead-letter topic: key %r, last: %s",
                _place(message),
                delivery.attempts,
                verdict.reason,
                message.key,
                delivery.failures[-1].outcome,
            )
            return None
        try:
            try:
                await self._writer.send(topic, self._letter(delivery))
            except RecordTooLarge:
                await self._writer.send(topic, self._letter(delivery, whole=False))
                logger.error(
                    "%s is too large for a dead letter in %s, which says only where it is", _place(message), topic
                )
        except KafkaError as error:
            wait = delivery.dlq_backoff
            delivery.dlq_backoff = min(wait * 2, LONGEST_DLQ_BACKOFF)
            if self._pace.due():
                logger.warning("%s stays unfinished, its dead letter cannot be written: %s", _place(message), error)
            return wait
        logger.debug("%s is in %s now (%s)", _place(message), topic, verdict.reason)
        return None

    def _letter(self, delivery: Delivery, *, whole: bool = True) -> bytes:
        return dead_letter(
            delivery.message,
            delivery.failures,
            self._dlq_format,
            attempts=delivery.attempts,
            now=self._now(),
            whole=whole,
        )


def cause_of(error: MeshError) -> str:
    """Return the error's words and, where a system error lies beneath, its name (such as ECONNREFUSED)."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, OSError) and cause.errno is not None and cause.errno in errno.errorcode:
            return f"{error.message} ({errno.errorcode[cause.errno]})"
        cause = cause.__cause__ or cause.__context__
    return error.message


def _place(message: Message) -> str:
    return f"{message.topic}[{message.partition}]@{message.offset}"
