"""Observes the clients of this library, on both engines."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections import Counter
from collections.abc import Callable
from functools import wraps
from typing import Any

from pywatt_kafka.consuming.commit_queue import CommitQueue
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.consuming.stream import ConsumerStream
from pywatt_kafka.consuming.without_group.tail_reader import TailReader
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.request_response.responder import Responder
from pywatt_kafka.share_groups.share_consumer import ShareConsumer
from pywatt_kafka.share_groups.shared_message import SharedMessage
from pywatt_kafka.tracing.attributes import OFFSET, PARTITION
from pywatt_kafka.tracing.batch import Batch
from pywatt_kafka.tracing.patches import Patches
from pywatt_kafka.tracing.received import NO_CLIENT, client_of, received
from pywatt_kafka.tracing.telemetry import Telemetry, mark_failed

Method = Callable[..., Any]


def observe_library_clients(patches: Patches, telemetry: Telemetry) -> None:
    """Replace the methods that send, read, handle and commit records."""
    producing = _Producing(telemetry)
    patches.replace(Producer, "send", producing.send)
    patches.replace(Producer, "enqueue", producing.enqueue)
    patches.replace(Producer, "post", producing.post)
    consuming = _Consuming(telemetry)
    patches.replace(GroupReader, "fetch", consuming.fetch)
    patches.replace(TailReader, "fetch", consuming.fetch)
    patches.replace(CommitQueue, "add", consuming.commit)
    patches.replace(ConsumerStream, "process", consuming.process)
    patches.replace(ConsumerStream, "on", consuming.on)
    patches.replace(Responder, "_respond", consuming.respond)
    patches.replace(Responder, "__aenter__", consuming.begin_responding)
    patches.replace(ShareConsumer, "_fetch", consuming.fetch_shared)
    patches.replace(SharedMessage, "acknowledge_soon", consuming.acknowledge)


class _Producing:
    """The observed methods of Producer."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def send(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def send(
            producer: Producer, topic: Any = None, value: Any = None, *, messages: Any = None, **options: Any
        ) -> Any:
            client = client_of(producer)
            if messages is not None:
                batch = Batch(telemetry, client)
                try:
                    outcomes = await original(producer, messages=batch.observed(messages))
                except BaseException as error:
                    batch.end(error)
                    raise
                batch.end(outcomes)
                return outcomes
            operation, options["headers"] = telemetry.send(
                topic, options.get("key"), value, options.get("headers"), client
            )
            try:
                position = await original(producer, topic, value, **options)
            except BaseException as error:
                operation.settle(error)
                raise
            operation.settle(position)
            return position

        return send

    def enqueue(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def enqueue(
            producer: Producer, topic: Any, value: Any, *, on_delivery: Any = None, **options: Any
        ) -> None:
            operation, options["headers"] = telemetry.send(
                topic, options.get("key"), value, options.get("headers"), client_of(producer)
            )
            told = producer._count_lost if on_delivery is None else on_delivery

            def delivered(outcome: Any) -> None:
                operation.settle(outcome)
                told(outcome)

            try:
                await original(producer, topic, value, on_delivery=delivered, **options)
            except BaseException as error:
                operation.settle(error)
                raise

        return enqueue

    def post(self, original: Method) -> Method:
        telemetry = self._telemetry

        def post(producer: Producer, topic: str, value: Any, done: Any, **options: Any) -> None:
            operation, options["headers"] = telemetry.send(
                topic, options.get("key"), value, options.get("headers"), client_of(producer)
            )

            def settled(outcome: Any) -> None:
                operation.settle(outcome)
                done(outcome)

            try:
                original(producer, topic, value, settled, **options)
            except BaseException as error:
                operation.settle(error)
                raise

        return post


class _Consuming:
    """The observed methods of readers and streams."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def fetch(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def fetch(reader: GroupReader | TailReader, **options: Any) -> Any:
            begun = time.time_ns()
            try:
                batches = await original(reader, **options)
            except Exception as error:
                telemetry.poll_failed(error, client_of(reader), begun)
                raise
            if batches:
                topics: Counter[str] = Counter()
                for place, messages in batches.items():
                    topics[place.topic] += len(messages)
                headers = (message.headers for messages in batches.values() for message in messages)
                telemetry.polled(topics, headers, client_of(reader), begun)
            return batches

        return fetch

    def commit(self, original: Method) -> Method:
        telemetry = self._telemetry

        def add(queue: CommitQueue, partition: Any, offset: Any) -> Any:
            done = original(queue, partition, offset)
            if done is not None:
                place = partition.place
                operation = telemetry.commit(
                    place.topic,
                    client_of(queue.reader),
                    {PARTITION: str(place.partition), OFFSET: offset.offset},
                )
                done.add_done_callback(lambda ended: operation.end(_error_of(ended)))
            return done

        return add

    def process(self, original: Method) -> Method:
        async def process(stream: Any, handler: Any, **options: Any) -> None:
            await original(stream, self._handler(handler), **options)

        return process

    def on(self, original: Method) -> Method:
        def on(stream: Any, event: Any, handler: Any = None) -> Any:
            if handler is None or event != "data":
                return original(stream, event, handler)
            original(stream, event, self._handler(handler))
            return handler

        return on

    def respond(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def respond(responder: Any, call: Any, *rest: Any) -> None:
            client = client_of(responder._consumer)
            with telemetry.process([received(call.message, client)]):  # the reply is a part of it
                await original(responder, call, *rest)

        return respond

    def begin_responding(self, original: Method) -> Method:
        async def begin(responder: Any) -> Any:
            handler = responder._handler
            if handler is not None and not getattr(handler, "marks_span", False):
                responder._handler = _marking(handler)
            return await original(responder)

        return begin

    def fetch_shared(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def fetch(consumer: Any) -> None:
            begun = time.time_ns()
            await original(consumer)
            if consumer._fetched:
                messages = [record.message for _, record in consumer._fetched]
                topics = Counter(message.topic for message in messages)
                telemetry.polled(topics, (message.headers for message in messages), client_of(consumer), begun)

        return fetch

    def acknowledge(self, original: Method) -> Method:
        telemetry = self._telemetry

        def acknowledge_soon(message: Any, outcome: Any) -> Any:
            done = original(message, outcome)
            operation = telemetry.commit(
                message.topic,
                NO_CLIENT,
                {PARTITION: str(message.partition), OFFSET: message.offset},
                operation="ack",
            )
            done.add_done_callback(lambda ended: operation.end(_error_of(ended)))
            return done

        return acknowledge_soon

    def _handler(self, handler: Method) -> Method:
        telemetry = self._telemetry

        async def observed(item: Any) -> None:
            with telemetry.process([received(item)]):
                result = handler(item)
                if inspect.isawaitable(result):
                    await result

        return observed


def _error_of(done: asyncio.Future[Any]) -> BaseException | None:
    return asyncio.CancelledError() if done.cancelled() else done.exception()


def _marking(handler: Method) -> Method:
    """Return a responder's handler that marks its span when it fails: the responder goes on with a 500."""

    @wraps(handler)
    async def marking(call: Any) -> Any:
        try:
            return await handler(call)
        except Exception as error:
            mark_failed(error)
            raise

    marking.marks_span = True  # type: ignore[attr-defined]
    return marking
