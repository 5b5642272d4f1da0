"""The context of requests: of headers that a propagator reads or none, and of requests that are not sampled."""

from __future__ import annotations

from typing import Any

import anyio
import pytest
from opentelemetry import baggage, propagate
from opentelemetry.context import Context
from opentelemetry.propagators import textmap

from pywatt.telemetry.asgi import Message, Receive, Scope, Send, traced
from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sampling import HeadSampler
from pywatt.telemetry.sdk import SdkSpans, extract
from pywatt.telemetry.trace_context import TraceContext, enter_request, request_trace
from pywatt.telemetry.tracing import Tracing


class TenantPropagator(textmap.TextMapPropagator):  # type: ignore[misc]  # Any where it is not installed
    """Reads a header of its own."""

    def extract(self, carrier: Any, context: Context | None = None, getter: Any = textmap.default_getter) -> Context:
        return baggage.set_baggage("tenant", getter.get(carrier, "x-tenant"), context)

    def inject(self, carrier: Any, context: Context | None = None, setter: Any = None) -> None:
        raise AssertionError("nothing is sent")

    @property
    def fields(self) -> set[str]:
        return {"x-tenant"}


def test_contexts_of_headers() -> None:
    assert extract([(b"host", b"a"), (b"x-tenant", b"7")]) == {}
    assert baggage.get_all(extract([(b"baggage", b"a=1")])) == {"a": "1"}
    before = propagate.get_global_textmap()
    propagate.set_global_textmap(TenantPropagator())  # as an application may
    try:
        assert baggage.get_all(extract([(b"host", b"a"), (b"x-tenant", b"7")])) == {"tenant": ["7"]}
    finally:
        propagate.set_global_textmap(before)


@pytest.mark.parametrize("fields", [list, tuple])
def test_a_request_that_is_not_sampled_has_a_trace_that_says_so(fields: Any) -> None:
    sampler = HeadSampler(0, follows_parent=True)
    seen: list[TraceContext | None] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append(request_trace())

    application = traced(app, Tracing(spans=SdkSpans(WorkerTracerProvider(shutdown_on_exit=False)), sampler=sampler))

    async def receive() -> Message:
        raise AssertionError("there is no body")

    async def send(message: Message) -> None:
        raise AssertionError("there is no response")

    async def run() -> None:
        headers = fields([(b"host", b"a")])
        enter_request(headers)
        await application({"type": "http", "method": "GET", "path": "/", "headers": headers}, receive, send)

    for _ in range(2):
        anyio.run(run)
    first, second = seen
    assert first is not None
    assert second is not None
    assert not first.sampled
    assert first.trace_id != second.trace_id
