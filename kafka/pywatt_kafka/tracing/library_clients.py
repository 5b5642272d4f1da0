"""Observes the clients of this library, on both engines."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable
from typing import Any

from pywatt_kafka.consuming.commit_queue import CommitQueue
from pywatt_kafka.consuming.group_reader import GroupReader
from pywatt_kafka.consuming.stream import ConsumerStream
from pywatt_kafka.consuming.without_group.tail_reader import TailReader
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.tracing.attributes import OFFSET, PARTITION
from pywatt_kafka.tracing.batch import Batch
from pywatt_kafka.tracing.patches import Patches
from pywatt_kafka.tracing.received import client_of, received
from pywatt_kafka.tracing.telemetry import Telemetry

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
                client = client_of(reader)
                records = [received(message, client) for messages in batches.values() for message in messages]
                telemetry.polled(records, client, begun)
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
                done.add_done_callback(
                    lambda ended: operation.end(asyncio.CancelledError() if ended.cancelled() else ended.exception())
                )
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

    def _handler(self, handler: Method) -> Method:
        telemetry = self._telemetry

        async def observed(item: Any) -> None:
            with telemetry.process([received(item)]):
                result = handler(item)
                if inspect.isawaitable(result):
                    await result

        return observed
