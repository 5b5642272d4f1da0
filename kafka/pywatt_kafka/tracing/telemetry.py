"""Spans and metrics of messaging operations, by OpenTelemetry's API."""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry import metrics, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, set_span_in_context

from pywatt_kafka.connection.cluster_ids import cluster_of
from pywatt_kafka.tracing.attributes import (
    BATCH,
    CLIENT_ID,
    CLUSTER,
    DESTINATION,
    ERROR_TYPE,
    GROUP,
    OFFSET,
    OPERATION,
    OPERATION_TYPE,
    PARTITION,
    SERVER_ADDRESS,
    SERVER_PORT,
    SYSTEM,
    TOMBSTONE,
    NamingMode,
    Value,
    key_attribute,
    named,
)
from pywatt_kafka.tracing.propagation import context_of, header_pairs, kept, link_to, with_context
from pywatt_kafka.tracing.received import Client, Received

SCOPE = "pywatt_kafka"
BUCKETS = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)  # seconds
METRIC_ATTRIBUTES = (SYSTEM, OPERATION, DESTINATION, GROUP, SERVER_ADDRESS, SERVER_PORT)

Attributes = Mapping[str, Value]
Error = BaseException | tuple[str, str]
"""An error, or its type and text."""


class Operation:
    """An operation under way: its span, and its duration."""

    __slots__ = ("_attributes", "_begun", "_ended", "_telemetry", "span")

    def __init__(self, telemetry: Telemetry, span: Any, attributes: Attributes, begun: int) -> None:
        self.span = span
        self._telemetry = telemetry
        self._attributes = attributes
        self._begun = begun
        self._ended = False

    def end(self, error: Error | None = None, found: Attributes | None = None, *, sent: int = 0, read: int = 0) -> None:
        """End it once, with an error or with what was found out; count the messages that were sent or read."""
        if self._ended:
            return
        self._ended = True
        span, telemetry = self.span, self._telemetry
        counted = {name: self._attributes[name] for name in METRIC_ATTRIBUTES if name in self._attributes}
        if found and span.is_recording():
            span.set_attributes(named(found, telemetry.mode))
        if error is not None:
            kind, text = error if isinstance(error, tuple) else (type(error).__name__, str(error))
            counted[ERROR_TYPE] = kind
            span.set_attribute(ERROR_TYPE, kind)
            span.set_status(Status(StatusCode.ERROR, text))
        span.end()
        telemetry.count(counted, (time.time_ns() - self._begun) / 1e9, sent, read)

    def settle(self, outcome: Any, count: int = 1, *, error: Error | None = None) -> None:
        """End the sending of records with the position of the first, with an error, or with the error that is it."""
        if error is not None or isinstance(outcome, BaseException):
            self.end(error or outcome, sent=count)
            return
        partition, offset = getattr(outcome, "partition", None), getattr(outcome, "offset", None)
        if callable(partition):
            partition, offset = outcome.partition(), outcome.offset()
        found: dict[str, Value] = {} if partition is None else {PARTITION: str(partition)}
        if offset is not None and offset >= 0:  # unknown without acknowledgements
            found[OFFSET] = offset
        self.end(found=found, sent=count)


class Telemetry:
    """Makes spans with one tracer, and metrics with one meter."""

    def __init__(
        self, mode: NamingMode, tracer_provider: Any, meter_provider: Any, *, create_spans: bool = True
    ) -> None:
        self.mode = mode
        self.creates = create_spans
        self._tracer = trace.get_tracer(SCOPE, tracer_provider=tracer_provider)
        meter = metrics.get_meter(SCOPE, meter_provider=meter_provider)
        self._sent = meter.create_counter("messaging.client.sent.messages", "{message}", "Messages sent")
        self._read = meter.create_counter("messaging.client.consumed.messages", "{message}", "Messages read")
        self._duration = meter.create_histogram(
            "messaging.client.operation.duration",
            "s",
            "Duration of sends, polls and commits",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )
        self._processing = meter.create_histogram(
            "messaging.process.duration",
            "s",
            "Duration of handlers",
            explicit_bucket_boundaries_advisory=BUCKETS,
        )

    def send(self, topic: Any, key: Any, value: Any, headers: Any, client: Client) -> tuple[Operation, Any]:
        """Begin `send <topic>`; return it, with the headers that go into the record."""
        headers = kept(headers)
        pairs = header_pairs(headers)
        own = link_to(context_of(pairs)) if pairs else None
        operation = self.begin(
            ("send", "send"),
            SpanKind.PRODUCER,
            topic,
            client,
            _record_attributes(key, value is None),
            links=() if own is None else (own,),
        )
        if pairs is None:
            return operation, headers
        return operation, with_context(pairs, set_span_in_context(operation.span))

    def create(self, topic: str, key: Any, value: Any, pairs: list[Any], client: Client) -> tuple[Any, Any]:
        """Make `create <topic>`; return the headers that go into the record, and a link to its context."""
        own = link_to(context_of(pairs))
        if own is not None:
            return pairs, own
        attributes = self._attributes("create", "create", topic, client, _record_attributes(key, value is None))
        span = self._tracer.start_span(
            f"create {topic}", kind=SpanKind.PRODUCER, attributes=named(attributes, self.mode)
        )
        span.end()
        context = set_span_in_context(span)
        return with_context(pairs, context), link_to(context)

    def send_built(self, topic: Any, count: int, client: Client) -> Operation:
        """Begin `send <topic>` for records that are built already, whose headers stay as they are."""
        return self.begin(("send", "send"), SpanKind.CLIENT, topic, client, {BATCH: count})

    def polled(self, topics: Mapping[str, int], headers: Iterable[Any], client: Client, begun: int) -> None:
        """Make `poll <topic>` for the records that a call has returned: their number by topic, the headers of each.

        The headers are read only if the span is recorded, so its links are added once it has begun.
        """
        topic = next(iter(topics)) if len(topics) == 1 else None
        count = sum(topics.values())
        operation = self.begin(("poll", "receive"), SpanKind.CLIENT, topic, client, {BATCH: count}, begun=begun)
        if operation.span.is_recording():
            for each in headers:
                if each and (link := link_to(context_of(header_pairs(each)))) is not None:
                    operation.span.add_link(link.context)
        if topic is not None:
            operation.end(read=count)
            return
        operation.end()
        for each, count in topics.items():
            given = self._attributes("poll", "receive", each, client, {})
            self.count({name: given[name] for name in METRIC_ATTRIBUTES if name in given}, None, 0, count)

    def poll_failed(self, error: BaseException, client: Client, begun: int) -> None:
        """Make `poll` for a call that has raised an error."""
        self.begin(("poll", "receive"), SpanKind.CLIENT, None, client, {}, begun=begun).end(error)

    def commit(
        self, topic: str | None, client: Client, attributes: Attributes, *, operation: str = "commit"
    ) -> Operation:
        """Begin `commit <topic>`, or another operation that settles records."""
        return self.begin((operation, "settle"), SpanKind.CLIENT, topic, client, attributes)

    @contextmanager
    def process(self, records: Sequence[Received]) -> Iterator[Any]:
        """Make `process <topic>` of a body, whose current span it is."""
        contexts = [context_of(header_pairs(record.headers)) for record in records]
        links = [link for context in contexts if (link := link_to(context)) is not None]
        topics = {record.topic for record in records}
        attributes: dict[str, Value] = {}
        parent = None
        if len(records) == 1:
            attributes = _position(records[0])
            if not trace.get_current_span().get_span_context().is_valid:
                parent = contexts[0]
        else:
            attributes[BATCH] = len(records)
        operation = self.begin(
            ("process", "process"),
            SpanKind.CONSUMER,
            next(iter(topics)) if len(topics) == 1 else None,
            records[0].client,
            attributes,
            links=links,
            context=parent,
        )
        token = otel_context.attach(set_span_in_context(operation.span, parent))
        error: BaseException | None = None
        try:
            yield operation.span
        except BaseException as raised:
            error = raised
            operation.span.record_exception(raised)
            raise
        finally:
            otel_context.detach(token)
            operation.end(error)

    def begin(
        self,
        operation: tuple[str, str],
        kind: Any,
        topic: Any,
        client: Client,
        attributes: Attributes,
        *,
        links: Sequence[Any] = (),
        context: Any = None,
        begun: int | None = None,
    ) -> Operation:
        """Begin an operation, given by its name and type. `topic` None: several. `begun`: ns since 1970, or now."""
        all_of_it = self._attributes(*operation, topic, client, attributes)
        begun = time.time_ns() if begun is None else begun
        span = self._tracer.start_span(
            operation[0] if topic is None else f"{operation[0]} {topic}",
            context=context,
            kind=kind,
            attributes=named(all_of_it, self.mode),
            links=links,
            start_time=begun,
        )
        return Operation(self, span, all_of_it, begun)

    def count(self, attributes: Attributes, seconds: float | None, sent: int, read: int) -> None:
        """Record the duration of an operation, and its messages."""
        names = named(attributes, self.mode)
        if sent:
            self._sent.add(sent, names)
        if read:
            self._read.add(read, names)
        if seconds is not None:
            histogram = self._processing if attributes[OPERATION] == "process" else self._duration
            histogram.record(max(0.0, seconds), names)

    def count_sent(self, topic: str, error: str, count: int, client: Client) -> None:
        """Count records of a call that sends several, by their error; the empty one means that they are written."""
        given = self._attributes("send", "send", topic, client, {ERROR_TYPE: error} if error else {})
        self.count({name: given[name] for name in (*METRIC_ATTRIBUTES, ERROR_TYPE) if name in given}, None, count, 0)

    def _attributes(
        self, operation: str, kind: str, topic: Any, client: Client, attributes: Attributes
    ) -> dict[str, Value]:
        found: dict[str, Value] = {SYSTEM: "kafka", OPERATION: operation, OPERATION_TYPE: kind}
        if topic is not None:
            found[DESTINATION] = str(topic)
        if client.client_id:
            found[CLIENT_ID] = client.client_id
        if client.group:
            found[GROUP] = client.group
        if (cluster := cluster_of(client.server)) is not None:
            found[CLUSTER] = cluster
        if client.server:
            found.update(_server_attributes(client.server))
        found.update(attributes)
        return found


def mark_failed(error: BaseException) -> None:
    """Mark the current span, whose body handles an error itself."""
    span = trace.get_current_span()
    span.set_attribute(ERROR_TYPE, type(error).__name__)
    span.set_status(Status(StatusCode.ERROR, str(error)))
    span.record_exception(error)


@lru_cache(maxsize=64)
def _server_attributes(server: str) -> Attributes:
    host, _, port = server.rpartition(":")
    found: dict[str, Value] = {SERVER_ADDRESS: host.strip("[]")}
    if port.isdecimal():
        found[SERVER_PORT] = int(port)
    return found


def _record_attributes(key: Any, is_tombstone: bool) -> dict[str, Value]:
    attributes: dict[str, Value] = {}
    if isinstance(key, str | bytes):
        attributes = key_attribute(key.encode("utf-8", "replace") if isinstance(key, str) else key)
    if is_tombstone:
        attributes[TOMBSTONE] = True
    return attributes


def _position(record: Received) -> dict[str, Value]:
    attributes = _record_attributes(record.key, record.is_tombstone)
    if record.partition is not None:
        attributes[PARTITION] = str(record.partition)
    if record.offset is not None:
        attributes[OFFSET] = record.offset
    return attributes
