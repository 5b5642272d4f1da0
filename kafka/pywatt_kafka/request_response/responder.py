"""Replies to the requests that kafka-hooks writes to a topic for its HTTP clients (`requestResponse`)."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from time import time
from types import TracebackType
from typing import Any, Self, TypeAlias

import anyio
from anyio.abc import TaskGroup

from pywatt_kafka.backoff import backoff
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.engine.membership import Membership
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, UnknownTopic
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.records import Message, Offset, RecordPosition, TopicPartition
from pywatt_kafka.request_response.messages import (
    CORRELATION_ID,
    Call,
    Reply,
    ReplyRecord,
    error_reply,
    header_of,
    reply_record,
)
from pywatt_kafka.request_response.open_requests import OpenRequests
from pywatt_kafka.security.options import Security

CONCURRENCY = 64
SESSION_TIMEOUT = 10.0  # seconds
FETCH_TIMEOUT = 1.0  # seconds
COMMIT_INTERVAL = 0.5  # seconds
GRACE = 5.0  # seconds for open requests to finish at a stop
REPLY_TIMEOUT = 30.0  # seconds that a client waits for its reply without `max_age`: the default of kafka-hooks
FIRST_PAUSE = 0.5  # seconds until a failed reply is retried, doubled each time ...
LONGEST_PAUSE = 4.0  # ... up to this

logger = logging.getLogger("pywatt_kafka")


Handler: TypeAlias = Callable[[Call], Awaitable[Any]]


class Responder:
    """Replies to each request of a topic with a handler function; an async context manager with a background task.

        responder = Responder("process-requests", "process-responses", group="worker")

        @responder
        async def process(call: Call) -> Reply | Any:
            return {"processed": call.json()}

        async with responder:
            ...

    The handler returns a Reply, or the body of one. When it raises, or when its reply can never be written (it is too
    large), the client gets a 500. A reply that the brokers do not accept now is retried while the client may wait. A
    request is done when its reply is acknowledged; after a crash it may be handled a second time.
    """

    _tasks: asyncio.TaskGroup
    _reading: anyio.CancelScope

    def __init__(
        self,
        request_topic: str,
        response_topic: str,
        *,
        group: str,
        bootstrap_brokers: str | list[str] | None = None,
        concurrency: int = CONCURRENCY,
        max_age: float | None = None,
        instance_id: str | None = None,
        session_timeout: float = SESSION_TIMEOUT,
        client_id: str | None = None,
        security: Security | None = None,
        clock: Callable[[], float] = time,
    ) -> None:
        """`group`: members of one group share the requests. `bootstrap_brokers`: None: the variable `KAFKA_BROKERS`.

        `concurrency`: limit of open requests. `max_age`: seconds after which a request is dropped and a reply is no
        longer retried, as its client no longer waits; None: every request is handled, and replies are retried for 30 s.
        `instance_id`, `session_timeout`, `security`: as for GroupReader.
        """
        self._topic = request_topic
        self._response_topic = response_topic
        self._concurrency = concurrency
        self._max_age = max_age
        self._reply_timeout = REPLY_TIMEOUT if max_age is None else max_age
        self._clock = clock
        self._handler: Handler | None = None
        self._running = 0
        self._room = asyncio.Event()
        self._open: dict[TopicPartition, OpenRequests] = {}
        self._client_settings: dict[str, Any] = {
            "bootstrap_brokers": bootstrap_brokers,
            "client_id": client_id,
            "security": security,
        }
        self._membership = Membership(group=group, instance_id=instance_id, session_timeout=session_timeout)

    def __call__(self, answer: Handler) -> Handler:
        """Set the handler function, as a decorator."""
        self._handler = answer
        return answer

    async def run(self) -> None:
        """Reply to requests until cancelled. Raises KafkaError without a handler or a broker."""
        async with self:
            await anyio.sleep_forever()

    async def __aenter__(self) -> Self:
        """Start replying; needs no live broker. Raises KafkaError without a handler or a broker."""
        if self._handler is None:
            raise KafkaError(
                f"the responder of {self._topic} has no function that answers", hint="decorate one with the responder"
            )
        producer = Producer(**self._client_settings)
        consumer = GroupReader(
            **self._client_settings, membership=self._membership, topics=[self._topic], listener=self
        )
        self._consumer = consumer
        self._reading = anyio.CancelScope()
        self._is_over = False
        # Not anyio's: that would cancel the open requests together with the task of the responder's user.
        self._tasks = asyncio.TaskGroup()
        await self._tasks.__aenter__()
        self._tasks.create_task(self._work(producer, consumer))
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Stop reading, let open requests finish within GRACE seconds, disconnect."""
        self._reading.cancel()
        with anyio.CancelScope(shield=True):
            await self._tasks.__aexit__(None, None, None)

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Part of AssignmentListener."""
        self._open = {partition: OpenRequests() for partition in partitions}

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Part of AssignmentListener."""
        with anyio.move_on_after(GRACE):
            await self._idle()
        await self._commit()
        for partition in partitions:
            self._open.pop(partition, None)

    async def _work(self, producer: Producer, consumer: GroupReader) -> None:
        async with producer, consumer, anyio.create_task_group() as handlers:
            handlers.start_soon(self._commit_regularly)
            with self._reading:
                await self._read(producer, consumer, handlers)
            with anyio.move_on_after(GRACE):
                await self._idle()
            self._is_over = True
            handlers.cancel_scope.cancel()

    async def _read(self, producer: Producer, consumer: GroupReader, handlers: TaskGroup) -> None:
        while True:
            while (free := self._concurrency - self._running) <= 0:
                await self._wait_for_one()
            batches = await consumer.fetch(timeout=FETCH_TIMEOUT, max_records=free)
            for partition, messages in batches.items():
                self._take(partition, messages, producer, handlers)

    def _take(
        self, partition: TopicPartition, messages: Sequence[Message], producer: Producer, handlers: TaskGroup
    ) -> None:
        requests = self._open.get(partition)
        if requests is None:
            return  # revoked meanwhile: its new owner reads them again
        for message in messages:
            requests.take(message.offset)
            correlation_id = header_of(message, CORRELATION_ID)
            if not correlation_id:
                logger.warning("a record of %s has no %s: nobody waits for an answer", message.topic, CORRELATION_ID)
                requests.finish(message.offset)
            elif self._max_age is not None and self._clock() - self._asked_at(message) > self._max_age:
                requests.finish(message.offset)
            else:
                self._running += 1
                handlers.start_soon(self._respond, Call(message, correlation_id), requests, producer, handlers)

    async def _respond(self, call: Call, requests: OpenRequests, producer: Producer, handlers: TaskGroup) -> None:
        try:
            record = await self._handle(call)
        except BaseException:
            self._ended()
            raise

        def replied(outcome: RecordPosition | KafkaError) -> None:
            if isinstance(outcome, RecordPosition):
                requests.finish(call.message.offset)
                self._ended()
            elif self._is_over:
                self._ended()  # uncommitted: it is handled again
            else:
                handlers.start_soon(self._reply_later, call, requests, producer, record, outcome)

        # a callback instead of a task, as this nearly always succeeds
        producer.post(self._response_topic, record[0], replied, headers=record[1])

    async def _reply_later(
        self, call: Call, requests: OpenRequests, producer: Producer, record: ReplyRecord, error: KafkaError
    ) -> None:
        """Retry a reply that could not be written."""
        asked = min(self._asked_at(call.message), self._clock())
        try:
            await self._retry_reply(call, record, producer, error, until=asked + self._reply_timeout)
            requests.finish(call.message.offset)
        finally:
            self._ended()

    def _asked_at(self, message: Message) -> float:
        """Return the time of a request's record in seconds since 1970; now if it has no timestamp."""
        return message.timestamp / 1000 if message.timestamp >= 0 else self._clock()

    async def _handle(self, call: Call) -> ReplyRecord:
        assert self._handler is not None
        try:
            given = await self._handler(call)
            return reply_record(call, given if isinstance(given, Reply) else Reply(given))
        except Exception:  # the user's code: it must not end the others' requests
            logger.exception("a request of %s could not be answered", self._topic)
            return reply_record(call, error_reply("Internal Server Error"))

    async def _retry_reply(
        self, call: Call, record: ReplyRecord, producer: Producer, error: KafkaError, *, until: float
    ) -> None:
        """Retry a reply while its client may wait; write an error instead of a reply that can never be written."""
        attempts, hopeless, retries = 1, False, 0
        while True:
            if isinstance(error, (KafkaUnavailable, UnknownTopic)):
                if attempts > 1 and self._clock() >= until:
                    logger.error("a reply to a request of %s could not be written in time: %s", self._topic, error)
                    return
                logger.warning("a reply to a request of %s is to be written again: %s", self._topic, error)
                await anyio.sleep(backoff(retries, first=FIRST_PAUSE, longest=LONGEST_PAUSE))
                retries += 1
            else:
                logger.error("a reply to a request of %s can never be written: %s", self._topic, error)
                if hopeless:
                    return
                hopeless = True
                record = reply_record(call, error_reply("The reply could not be written."))
            body, headers = record
            try:
                await producer.send(self._response_topic, body, headers=headers)
                return
            except KafkaError as failure:
                error = failure
                attempts += 1

    def _ended(self) -> None:
        self._running -= 1
        self._room.set()

    async def _wait_for_one(self) -> None:
        self._room.clear()
        await self._room.wait()

    async def _idle(self) -> None:
        while self._running:
            await self._wait_for_one()

    async def _commit_regularly(self) -> None:
        while True:
            await anyio.sleep(COMMIT_INTERVAL)
            await self._commit()

    async def _commit(self) -> None:
        due = {
            partition: requests.position
            for partition, requests in self._open.items()
            if requests.position != requests.committed
        }
        offsets = {partition: Offset(position) for partition, position in due.items() if position is not None}
        if not offsets:
            return
        try:
            await self._consumer.commit(offsets)
        except KafkaError as error:
            logger.debug("not committed, some requests may be answered again: %s", error)
            return
        for partition, offset in offsets.items():
            if (requests := self._open.get(partition)) is not None:
                requests.committed = offset.offset
