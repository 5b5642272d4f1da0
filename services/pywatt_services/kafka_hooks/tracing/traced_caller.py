"""Calls to a target with spans: for each attempt `process <topic>` of kind CONSUMER, and below it the CLIENT's.

The CONSUMER span is a child of the record's own context, through retries, retry topics and redrives: one trace.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import getrandbits
from time import time

from pywatt.http.client.call import header_lines
from pywatt.telemetry.messaging import (
    PARENT_HEADERS,
    Decision,
    decide,
    fields_of,
    http_client_attributes,
    is_told_not_sampled,
    parent_headers,
    without_parent,
)
from pywatt.telemetry.sampling import root_traces
from pywatt.telemetry.trace_context import TraceContext, trace_of
from pywatt.telemetry.tracing import Span, Tracing
from pywatt_kafka.processing.key_queues import KeyQueue
from pywatt_kafka.records import Message
from pywatt_kafka.tracing.attributes import (
    BATCH,
    DESTINATION,
    GROUP,
    OFFSET,
    OPERATION,
    OPERATION_TYPE,
    PARTITION,
    SYSTEM,
    TOMBSTONE,
    NamingMode,
    Value,
    key_attribute,
    named,
)
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.target_caller import AttemptOwner, Caller
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.egress import BegunCall, WebhookClient, WebhookResponse
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.request import Bundled, RequestMaker, WebhookRequest

ATTEMPT_NUMBER = "pywatt.delivery.attempt"
"""Number of the attempt at this record, from 1."""


class _Spans:
    """The spans of one attempt."""

    __slots__ = ("client", "process")

    def __init__(self, process: Span) -> None:
        self.process = process
        self.client: Span | None = None

    def fail(self, error_type: str, description: str) -> None:
        for span in (self.client, self.process):
            if span is not None:
                span.fail(error_type, description)

    def end(self) -> None:
        if self.client is not None:
            self.client.end()
        self.process.end()


class TracedRequests:
    """Makes the requests of one target, each with the traceparent of its attempt."""

    def __init__(self, inner: RequestMaker, caller: TracedCaller) -> None:
        self._inner = inner
        self._caller = caller

    def make(self, message: Message, attempt: int, now: float) -> WebhookRequest:
        """Return the request for an attempt."""
        if self._caller.next_line:
            request = self._inner.make(message, attempt, now)
            request.lines += self._caller.next_line
            return request
        context, spans = self._caller.next_context, self._caller.next_spans
        if spans is None and context is None:
            return self._inner.make(message, attempt, now)  # the record's own headers say it
        request = self._inner.make(message._replace(headers=tuple(without_parent(message.headers))), attempt, now)
        return self._with_context(request, spans, context)

    def bundle(self, deliveries: Sequence[Bundled], now: float) -> WebhookRequest:
        """Return the request for several records."""
        request = self._inner.bundle(deliveries, now)
        return self._with_context(request, self._caller.next_spans, self._caller.next_context)

    def _with_context(
        self, request: WebhookRequest, spans: _Spans | None, context: TraceContext | None
    ) -> WebhookRequest:
        if spans is not None:
            spans.client = self._caller.client_span(request.url, spans.process)
            context = spans.client.context
        if context is not None:
            request.lines += header_lines(parent_headers(context))
        return request


class TracedCaller(Caller):
    """Calls one target, and records it."""

    def __init__(
        self,
        options: WebhookOptions,
        client: WebhookClient,
        metrics: TopicMetrics,
        now: Callable[[], float] = time,
        *,
        tracing: Tracing,
        mode: NamingMode,
        group: str,
    ) -> None:
        super().__init__(options, client, metrics, now)
        self._requests: TracedRequests | RequestMaker = TracedRequests(RequestMaker(options), self)  # type: ignore[assignment]
        self._tracing = tracing
        self._follows_parent = tracing.sampler is not None and tracing.sampler.follows_parent
        self._mode = mode
        self._group = group
        self._spans: dict[Delivery, _Spans] = {}
        self.next_spans: _Spans | None = None
        """The spans of the request that is made next."""
        self.next_context: TraceContext | None = None
        """The context of the request that is made next, if it is not sampled and its record does not say so."""
        self.next_line = b""
        """The same as a line of its head, for a record without a trace."""
        self._begin = root_traces(tracing.sampler, b"traceparent: %b\r\n")

    def client_span(self, url: str, process: Span) -> Span:
        """Begin the CLIENT span of a request."""
        return self._tracing.spans.client(self.method, process, http_client_attributes(self.method, url))

    def begin(self, queue: KeyQueue[Delivery], owner: AttemptOwner) -> BegunCall | None:
        """Send the head of a queue once, without a task."""
        delivery = queue.head
        self._prepare(delivery)
        call = super().begin(queue, owner)
        if call is None:
            self._spans.pop(delivery, None)  # not ended, so it is not exported
        return call

    async def deliver(self, delivery: Delivery) -> Attempt | None:
        """Send a record once; return None when it was taken. Raises TemplateError when it has no URL."""
        self._prepare(delivery)
        try:
            return await super().deliver(delivery)
        finally:
            spans = self._spans.pop(delivery, None)
            if spans is not None:  # it was not judged
                spans.fail("cancelled", "")
                spans.end()

    async def deliver_all(self, deliveries: Sequence[Delivery]) -> Sequence[Attempt | None]:
        """Send several records in one call."""
        self.next_spans, self.next_line = None, b""
        if self._follows_parent and all(is_told_not_sampled(each.message.headers) for each in deliveries):
            self.next_context = trace_of(fields_of(deliveries[0].message.headers))
            return await super().deliver_all(deliveries)
        fields = [fields_of(each.message.headers) for each in deliveries]
        decisions = [decide(each, self._tracing.sampler) for each in fields]
        self.next_context = None
        spans: _Spans | None = None
        if any(decision.is_sampled for decision in decisions):
            spans = self._bundle_spans(deliveries, [context for each in fields if (context := trace_of(each))])
            self.next_spans = spans
        else:
            # The target is told so by one of them.
            told = (each.context or trace_of(own) for each, own in zip(decisions, fields, strict=True))
            self.next_context = next((context for context in told if context is not None), None)
        failures: Sequence[Attempt | None] = ()
        try:
            failures = await super().deliver_all(deliveries)
        finally:
            if spans is not None:
                failed = sum(failure is not None for failure in failures)
                if failed or not failures:
                    spans.fail("refused", f"{failed} of {len(deliveries)} records were not taken")
                spans.end()
        return failures

    def judge(self, delivery: Delivery, now: float, response: WebhookResponse | str) -> Attempt | None:
        """Return the failed attempt that a response makes; None for a success."""
        failure = super().judge(delivery, now, response)
        spans = self._spans.pop(delivery, None)
        if spans is not None:
            if not isinstance(response, str) and spans.client is not None:
                spans.client.set({"http.response.status_code": response.status})
            if failure is not None:
                status = failure.status
                spans.fail(str(status) if status is not None else "no_response", failure.outcome)
            spans.end()
        return failure

    def _prepare(self, delivery: Delivery) -> None:
        """Decide about an attempt, and begin its span if it is sampled."""
        headers = delivery.message.headers
        self.next_line = b""
        if not any(name.lower() in PARENT_HEADERS for name, _ in headers):
            begun = self._begin()
            if isinstance(begun, bytes):
                self.next_line = begun
                return
            decision = Decision(True, begun, None)
        elif self._follows_parent and is_told_not_sampled(headers):
            self.next_context = self.next_spans = None
            return
        else:
            decision = decide(fields_of(headers), self._tracing.sampler)
        fields = fields_of(headers)
        self.next_context = decision.context
        self.next_spans = None
        if decision.is_sampled:
            self.next_spans = self._spans[delivery] = _Spans(self._process_span(delivery, fields, decision))

    def _process_span(self, delivery: Delivery, fields: list[tuple[bytes, bytes]], decision: Decision) -> Span:
        message, parent = delivery.message, trace_of(fields)
        attributes: dict[str, Value] = {
            **self._common(message.topic),
            PARTITION: str(message.partition),
            OFFSET: message.offset,
            **key_attribute(message.key),
            ATTEMPT_NUMBER: delivery.attempts + 1,
        }
        if message.value is None:
            attributes[TOMBSTONE] = True
        links = () if parent is None else (parent,)
        return self._tracing.spans.consumer(
            f"process {message.topic}", fields, links, named(attributes, self._mode), decision.trace_id
        )

    def _bundle_spans(self, deliveries: Sequence[Delivery], links: Sequence[TraceContext]) -> _Spans:
        topic = deliveries[0].message.topic
        attributes: dict[str, Value] = {**self._common(topic), BATCH: len(deliveries)}
        # Several records have several parents: only links say so. It is sampled as one of them is.
        span = self._tracing.spans.consumer(
            f"process {topic}", (), links, named(attributes, self._mode), _sampled_id(self._tracing)
        )
        return _Spans(span)

    def _common(self, topic: str) -> dict[str, Value]:
        return {
            SYSTEM: "kafka",
            OPERATION: "process",
            OPERATION_TYPE: "process",
            DESTINATION: topic,
            GROUP: self._group,
        }


def _sampled_id(tracing: Tracing) -> int:
    """Return the id of a new trace that the sampler takes; 0: it takes none, or only it can say."""
    sampler = tracing.sampler
    if sampler is None or not sampler.bound:
        return 0
    return (getrandbits(64) << 64) | getrandbits(64) % sampler.bound or 1
