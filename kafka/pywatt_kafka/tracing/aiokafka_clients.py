"""Observes the clients of plain aiokafka code."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer
from aiokafka.client import AIOKafkaClient
from aiokafka.cluster import ClusterMetadata
from aiokafka.errors import ConsumerStoppedError

from pywatt_kafka.aiokafka.client import own_consumers
from pywatt_kafka.connection.cluster_ids import note_cluster
from pywatt_kafka.tracing.patches import Patches
from pywatt_kafka.tracing.received import Client
from pywatt_kafka.tracing.telemetry import Telemetry

Method = Callable[..., Any]
_CLUSTER_ID = "_observed_cluster_id"
"""Attribute of aiokafka's metadata."""


def observe_aiokafka(patches: Patches, telemetry: Telemetry) -> None:
    """Replace the methods that send, read and commit; the others call these."""
    observed = _Observed(telemetry)
    patches.replace(AIOKafkaProducer, "send", observed.send)
    patches.replace(AIOKafkaProducer, "send_batch", observed.send_batch)
    patches.replace(AIOKafkaConsumer, "getone", observed.getone)
    patches.replace(AIOKafkaConsumer, "getmany", observed.getmany)
    patches.replace(AIOKafkaConsumer, "commit", observed.commit)
    patches.replace(ClusterMetadata, "update_metadata", _updating)
    patches.replace(AIOKafkaClient, "bootstrap", _bootstrapping)


class _Observed:
    """The observed methods. Those of this library's own consumers are left alone: it observes them itself."""

    def __init__(self, telemetry: Telemetry) -> None:
        self._telemetry = telemetry

    def send(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def send(
            producer: Any,
            topic: Any,
            value: Any = None,
            key: Any = None,
            partition: Any = None,
            timestamp_ms: Any = None,
            headers: Any = None,
        ) -> Any:
            operation, traced = telemetry.send(topic, key, value, headers, _client(producer.client))
            try:
                future = await original(producer, topic, value, key, partition, timestamp_ms, traced)
            except BaseException as error:
                operation.settle(error)
                raise
            future.add_done_callback(lambda done: operation.settle(_outcome(done)))
            return future

        return send

    def send_batch(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def send_batch(producer: Any, batch: Any, topic: Any, *, partition: Any) -> Any:
            count = batch.record_count()
            operation = telemetry.send_built(topic, count, _client(producer.client))
            try:
                future = await original(producer, batch, topic, partition=partition)
            except BaseException as error:
                operation.end(error, sent=count)
                raise
            future.add_done_callback(lambda done: operation.settle(_outcome(done), count))
            return future

        return send_batch

    def getone(self, original: Method) -> Method:
        return self._polling(original, lambda message: [message])

    def getmany(self, original: Method) -> Method:
        return self._polling(original, lambda found: [message for each in found.values() for message in each])

    def _polling(self, original: Method, messages_of: Callable[[Any], list[Any]]) -> Method:
        telemetry = self._telemetry

        async def poll(consumer: Any, *arguments: Any, **options: Any) -> Any:
            if consumer in own_consumers:
                return await original(consumer, *arguments, **options)
            begun = time.time_ns()
            try:
                found = await original(consumer, *arguments, **options)
            except ConsumerStoppedError:  # the end of an iteration
                raise
            except Exception as error:
                telemetry.poll_failed(error, _consuming_client(consumer), begun)
                raise
            if messages := messages_of(found):
                topics = Counter(message.topic for message in messages)
                headers = (message.headers for message in messages)
                telemetry.polled(topics, headers, _consuming_client(consumer), begun)
            return found

        return poll

    def commit(self, original: Method) -> Method:
        telemetry = self._telemetry

        async def commit(consumer: Any, offsets: Any = None) -> None:
            if consumer in own_consumers:
                await original(consumer, offsets)
                return
            topics = {place.topic for place in (offsets or consumer.assignment())}
            operation = telemetry.commit(topics.pop() if len(topics) == 1 else None, _consuming_client(consumer), {})
            try:
                await original(consumer, offsets)
            except BaseException as error:
                operation.end(error)
                raise
            operation.end()

        return commit


def _updating(original: Method) -> Method:
    def update_metadata(cluster: Any, metadata: Any) -> None:
        original(cluster, metadata)
        cluster_id = getattr(metadata, "cluster_id", None)  # not of old brokers
        if cluster_id:
            setattr(cluster, _CLUSTER_ID, cluster_id)

    return update_metadata


def _bootstrapping(original: Method) -> Method:
    async def bootstrap(client: Any) -> None:
        await original(client)
        note_cluster(_servers(client), getattr(client.cluster, _CLUSTER_ID, None))

    return bootstrap


def _outcome(done: asyncio.Future[Any]) -> Any:
    if done.cancelled():
        return asyncio.CancelledError()
    # `exception()` would count as a look at the error, which asyncio logs when nobody has looked.
    error = getattr(done, "_exception", None)
    return done.result() if error is None else error


def _client(client: Any, group: str | None = None) -> Client:
    return Client(client._client_id, next(iter(_servers(client)), None), group)


def _servers(client: Any) -> list[str]:
    brokers = client._bootstrap_servers
    return brokers.split(",") if isinstance(brokers, str) else list(brokers)


def _consuming_client(consumer: Any) -> Client:
    return _client(consumer._client, consumer._group_id)
