"""A publisher with a PRODUCER span for each request that is sampled, whose context goes into its records."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from pywatt.telemetry.messaging import PARENT_HEADERS, decide, parent_headers
from pywatt.telemetry.sampling import root_traces
from pywatt.telemetry.trace_context import NOT_SAMPLED, PARENT_LENGTH, TRACEPARENT
from pywatt.telemetry.tracing import Span, Tracing
from pywatt_kafka.tracing.attributes import (
    DESTINATION,
    OPERATION,
    OPERATION_TYPE,
    SYSTEM,
    NamingMode,
    key_attribute,
    named,
)
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.tracing.recorded_exchange import RecordedExchange
from pywatt_services.kafka_hooks.wire.headers import key_of

_PARENT = frozenset(name.encode() for name in PARENT_HEADERS)


class TracedPublisher(Publisher):
    """Writes records for HTTP clients, and records it."""

    def __init__(self, *args: Any, tracing: Tracing, mode: NamingMode, **options: Any) -> None:
        super().__init__(*args, **options)
        self._tracing = tracing
        self._mode = mode
        self._begin = root_traces(tracing.sampler)
        self._follows_parent = tracing.sampler is not None and tracing.sampler.follows_parent

    def publish(self, topic: str, request: Request, exchange: HooksExchange) -> None:
        """Write a client's request to a topic."""
        parents = [value for name, value in request.headers if name == TRACEPARENT]
        if not parents:
            begun = self._begin()
            if isinstance(begun, bytes):  # those who read the record must not decide anew
                request = replace(request, headers=[*request.headers, (TRACEPARENT, begun)])
                super().publish(topic, request, exchange)
            else:
                self._record(topic, request, exchange, begun)
            return
        parent = parents[0]
        if self._follows_parent and len(parents) == 1 and len(parent) == PARENT_LENGTH and parent[53:] in NOT_SAMPLED:
            super().publish(topic, request, exchange)  # its headers say so
            return
        decision = decide(request.headers, self._tracing.sampler)
        if not decision.is_sampled:
            if decision.context is not None:
                request = replace(request, headers=[*request.headers, *parent_headers(decision.context)])
            super().publish(topic, request, exchange)
            return
        self._record(topic, request, exchange, decision.trace_id)

    def _record(self, topic: str, request: Request, exchange: HooksExchange, trace_id: int) -> None:
        span = self._tracing.spans.producer(
            f"send {topic}", request.headers, self._attributes(topic, request), trace_id
        )
        kept = [header for header in request.headers if header[0] not in _PARENT]
        traced = replace(request, headers=[*kept, *parent_headers(span.context)])
        super().publish(topic, traced, RecordedExchange(exchange, span, describe=_describe))

    def _attributes(self, topic: str, request: Request) -> dict[str, Any]:
        try:
            key = key_of(request.headers)
        except ValueError:
            key = None
        return named(
            {
                SYSTEM: "kafka",
                OPERATION: "send",
                OPERATION_TYPE: "send",
                DESTINATION: topic,
                **key_attribute(key),
            },
            self._mode,
        )


def _describe(span: Span, response: HttpResponse) -> None:
    if response.status >= 400:
        span.fail(str(response.status))
