"""Counts what the clients of pywatt_kafka in this worker send, read and handle, by its methods.

The families have the names of OpenTelemetry's conventions for messaging, but OpenTelemetry is not needed.
"""

from __future__ import annotations

import inspect
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial
from typing import Any

from pywatt.mesh.import_hook import on_import
from pywatt.metrics import messaging_families as families
from pywatt.metrics.family import Family
from pywatt.metrics.recorder import Observe, Recorder
from pywatt.metrics.status_classes import OTHER

MAX_SERIES = 1000
"""Of each family, as code may make up any number of topics; further ones are counted together."""
SEND, COMMIT = "send", "commit"

Handler = Callable[[Any], Any]


class KafkaClientMetrics:
    """The counters, each resolved once."""

    def __init__(self, recorder: Recorder, clock: Callable[[], float] = time.perf_counter) -> None:
        self.clock = clock
        self._recorder = recorder
        self._added: dict[tuple[str, tuple[str, ...]], Callable[[float], None]] = {}
        self._series: Counter[str] = Counter()

    def sent(self, topic: Any, error: BaseException | None, count: int = 1) -> None:
        """Count records that were sent, or not."""
        self._cell(families.SENT, str(topic), _name(error))(count)

    def read(self, topic: str, group: str, count: int) -> None:
        """Count records that were read."""
        self._cell(families.CONSUMED, topic, group)(count)

    def lasted(self, operation: str, topic: Any, error: BaseException | None, begun: float) -> None:
        """Count an operation that began at that time of the clock."""
        self._cell(families.OPERATION_SECONDS, operation, str(topic), _name(error))(self.clock() - begun)

    def handled(self, topic: str, error: BaseException | None, begun: float) -> None:
        """Count the end of a handler."""
        self._cell(families.PROCESS_SECONDS, topic, _name(error))(self.clock() - begun)

    def _cell(self, family: Family, *labels: str) -> Observe:
        cell = self._added.get((family.name, labels))
        if cell is None:
            if self._series[family.name] >= MAX_SERIES:
                labels = tuple(OTHER for _ in labels)
            self._series[family.name] += 1
            recorder = self._recorder
            cell = (
                recorder.histogram(family, *labels).observe if family.buckets else recorder.value(family, *labels).add
            )
            self._added[family.name, labels] = cell
        return cell


def count_kafka_clients(recorder: Recorder) -> None:
    """Count from now on, in each module at once or as soon as it is imported."""
    metrics = KafkaClientMetrics(recorder)
    for module, adapt in (
        ("pywatt_kafka.producing.producer", _adapt_producer),
        ("pywatt_kafka.consuming.group_reader", partial(_adapt_reader, "GroupReader")),
        ("pywatt_kafka.consuming.without_group.tail_reader", partial(_adapt_reader, "TailReader")),
        ("pywatt_kafka.consuming.stream", _adapt_stream),
        ("pywatt_kafka.consuming.commit_queue", _adapt_commits),
        ("pywatt_kafka.share_groups.share_consumer", _adapt_share_consumer),
        ("pywatt_kafka.request_response.responder", _adapt_responder),
    ):
        on_import(module, partial(adapt, metrics))


def _adapt_producer(metrics: KafkaClientMetrics, module: Any) -> None:
    producer = module.Producer
    send, enqueue, post, clock = producer.send, producer.enqueue, producer.post, metrics.clock

    async def counted_send(self: Any, topic: Any = None, value: Any = None, **options: Any) -> Any:
        messages = options.get("messages")
        if messages is not None:
            topics: list[str] = []
            options["messages"] = _noting_topics(messages, topics)
            outcomes = await send(self, topic, value, **options)
            counts = Counter(
                (sent_to, type(outcome).__name__ if isinstance(outcome, BaseException) else "")
                for sent_to, outcome in zip(topics, outcomes, strict=False)
            )
            failed = {type(each).__name__: each for each in outcomes if isinstance(each, BaseException)}
            for (sent_to, kind), count in counts.items():
                metrics.sent(sent_to, failed.get(kind), count)
            return outcomes
        begun = clock()
        try:
            position = await send(self, topic, value, **options)
        except Exception as error:
            metrics.sent(topic, error)
            metrics.lasted(SEND, topic, error, begun)
            raise
        metrics.sent(topic, None)
        metrics.lasted(SEND, topic, None, begun)
        return position

    async def counted_enqueue(self: Any, topic: Any, value: Any, *, on_delivery: Any = None, **options: Any) -> None:
        told, begun = self._count_lost if on_delivery is None else on_delivery, clock()
        await enqueue(self, topic, value, on_delivery=partial(_settled, metrics, topic, begun, told), **options)

    def counted_post(self: Any, topic: str, value: Any, done: Any, **options: Any) -> None:
        post(self, topic, value, partial(_settled, metrics, topic, clock(), done), **options)

    producer.send, producer.enqueue, producer.post = counted_send, counted_enqueue, counted_post


def _settled(metrics: KafkaClientMetrics, topic: Any, begun: float, told: Callable[[Any], None], outcome: Any) -> None:
    error = outcome if isinstance(outcome, BaseException) else None
    metrics.sent(topic, error)
    metrics.lasted(SEND, topic, error, begun)
    told(outcome)


def _noting_topics(messages: Iterable[Any], topics: list[str]) -> Iterator[Any]:
    for message in messages:
        topic = message.get("topic") if isinstance(message, Mapping) else getattr(message, "topic", None)
        topics.append(str(topic))
        yield message


def _adapt_reader(name: str, metrics: KafkaClientMetrics, module: Any) -> None:
    reader = getattr(module, name)
    fetch = reader.fetch

    async def counted_fetch(self: Any, **options: Any) -> Any:
        batches = await fetch(self, **options)
        group = getattr(self, "group_id", None) or ""
        for place, messages in batches.items():
            metrics.read(place.topic, group, len(messages))
        return batches

    reader.fetch = counted_fetch


def _adapt_share_consumer(metrics: KafkaClientMetrics, module: Any) -> None:
    consumer = module.ShareConsumer
    fetch = consumer._fetch

    async def counted_fetch(self: Any) -> None:
        await fetch(self)
        for topic, count in Counter(record.message.topic for _, record in self._fetched).items():
            metrics.read(topic, self.group_id, count)

    consumer._fetch = counted_fetch


def _adapt_commits(metrics: KafkaClientMetrics, module: Any) -> None:
    queue, clock = module.CommitQueue, metrics.clock
    add = queue.add

    def counted_add(self: Any, partition: Any, offset: Any) -> Any:
        begun = clock()
        done = add(self, partition, offset)
        if done is not None:
            topic = partition.place.topic
            done.add_done_callback(
                lambda ended: None if ended.cancelled() else metrics.lasted(COMMIT, topic, ended.exception(), begun)
            )
        return done

    queue.add = counted_add


def _adapt_stream(metrics: KafkaClientMetrics, module: Any) -> None:
    stream = module.ConsumerStream
    process, on = stream.process, stream.on

    async def counted_process(self: Any, handler: Handler, **options: Any) -> None:
        await process(self, _counted(metrics, handler), **options)

    def counted_on(self: Any, event: Any, handler: Any = None) -> Any:
        if handler is None or event != "data":
            return on(self, event, handler)
        on(self, event, _counted(metrics, handler))
        return handler

    stream.process, stream.on = counted_process, counted_on


def _counted(metrics: KafkaClientMetrics, handler: Handler) -> Handler:
    clock = metrics.clock

    async def handle(message: Any) -> None:
        begun = clock()
        try:
            result = handler(message)
            if inspect.isawaitable(result):
                await result
        except Exception as error:
            metrics.handled(message.topic, error, begun)
            raise
        metrics.handled(message.topic, None, begun)

    return handle


def _adapt_responder(metrics: KafkaClientMetrics, module: Any) -> None:
    responder, clock = module.Responder, metrics.clock
    handle = responder._handle

    async def counted_handle(self: Any, call: Any) -> Any:
        begun = clock()
        try:
            return await handle(self, call)
        finally:
            metrics.handled(call.message.topic, None, begun)

    responder._handle = counted_handle


def _name(error: BaseException | None) -> str:
    return "" if error is None else type(error).__name__
