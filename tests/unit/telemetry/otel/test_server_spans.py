"""Spans of kind SERVER that an application or an instrumentation begins within a request."""

from __future__ import annotations

from collections.abc import MutableMapping
from typing import Any

import anyio
import pytest
from opentelemetry import context as otel_context
from opentelemetry import propagate, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import SpanKind, StatusCode

from pywatt.telemetry.asgi import Application, Message, Receive, Scope, Send, traced
from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sdk import SdkSpans
from pywatt.telemetry.settings import SkipRule
from pywatt.telemetry.tracing import Tracing

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"


class Service:
    """An application with spans, and those that it has exported."""

    def __init__(self) -> None:
        self.provider = WorkerTracerProvider(shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        self.provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.tracer = self.provider.get_tracer("framework")
        self.sent: list[Message] = []

    def serve(self, app: Application, *headers: tuple[bytes, bytes], path: str = "/orders/1") -> None:
        """Serve one request."""
        rules = (SkipRule(path="/health*"),)
        wrapped = traced(app, Tracing(spans=SdkSpans(self.provider), sampler=None, skip=rules))
        scope: Scope = {
            "type": "http",
            "method": "GET",
            "path": path,
            "headers": headers,
            "query_string": b"token=secret",
        }

        async def receive() -> Message:
            raise AssertionError("there is no body")

        async def send(message: Message) -> None:
            self.sent.append(message)

        async def run() -> None:
            await wrapped(scope, receive, send)

        anyio.run(run)

    @property
    def spans(self) -> list[ReadableSpan]:
        """The finished spans."""
        return list(self.exporter.get_finished_spans())


async def respond(send: Send, status: int = 200) -> None:
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})


def attributes_of(span: ReadableSpan) -> MutableMapping[str, Any]:
    return dict(span.attributes or {})


@pytest.mark.parametrize("headers", [(), ((b"traceparent", PARENT),)], ids=["first", "called"])
def test_an_instrumentation_gets_the_span_of_the_request(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    service = Service()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parent = propagate.extract({name.decode(): value.decode() for name, value in scope["headers"]})
        given = {"url.query": "token=secret", "own": 1}
        with service.tracer.start_as_current_span(
            "GET /x", context=parent, kind=SpanKind.SERVER, attributes=given
        ) as span:
            with service.tracer.start_as_current_span("work"):
                await respond(send)
            span.update_name("GET /orders/{id}")  # after the response, as FastAPI does
            span.set_attribute("http.route", "/orders/{id}")

    service.serve(app, *headers)
    work, server = service.spans
    assert (server.name, server.kind) == ("GET /orders/{id}", SpanKind.SERVER)
    assert (server.parent and f"{server.parent.span_id:016x}") == (PARENT.decode()[36:52] if headers else None)
    assert work.parent == server.context
    attributes = attributes_of(server)
    assert (attributes["url.query"], attributes["own"]) == ("token=REDACTED", 1)
    assert (attributes["http.route"], attributes["http.response.status_code"]) == ("/orders/{id}", 200)
    assert (server.end_time or 0) <= (work.end_time or 0), "it ends with its response"


def test_further_server_spans_are_their_own() -> None:
    service = Service()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        with service.tracer.start_as_current_span("work"):
            service.tracer.start_span("inner", kind=SpanKind.SERVER).end()  # of a call to the application itself
        await respond(send)
        service.tracer.start_span("late", kind=SpanKind.SERVER).end()  # of a task that outlives the request

    service.serve(app)
    assert [(span.name, span.kind) for span in service.spans] == [
        ("inner", SpanKind.SERVER),
        ("work", SpanKind.INTERNAL),
        ("GET", SpanKind.SERVER),
        ("late", SpanKind.SERVER),
    ]


@pytest.mark.parametrize("headers", [(), ((b"traceparent", PARENT),)], ids=["first", "called"])
def test_a_request_that_is_skipped_has_no_span(headers: tuple[tuple[bytes, bytes], ...]) -> None:
    service = Service()
    traces: list[int] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        parent = propagate.extract({name.decode(): value.decode() for name, value in scope["headers"]})
        with service.tracer.start_as_current_span("GET", context=parent, kind=SpanKind.SERVER) as span:
            traces.append(span.get_span_context().trace_id)
            service.tracer.start_span("work").end()
            await respond(send)

    service.serve(app, *headers, path="/health/live")
    assert service.spans == []
    assert traces[0]
    assert (f"{traces[0]:032x}" == PARENT.decode()[3:35]) == bool(headers)


@pytest.mark.parametrize("responds", [True, False])
def test_an_error_of_the_application_is_recorded(responds: bool, caplog: pytest.LogCaptureFixture) -> None:
    service = Service()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if responds:
            await respond(send, 500)  # as Starlette does, before it raises the error
        raise KeyError("order")

    with pytest.raises(KeyError):
        service.serve(app)
    (span,) = service.spans
    assert span.status.status_code is StatusCode.ERROR
    assert [event.name for event in span.events] == ["exception"]
    attributes = attributes_of(span)
    assert (attributes["http.response.status_code"], attributes["error.type"]) == (500, "KeyError")
    assert not caplog.records


def test_an_error_after_the_response_changes_nothing(caplog: pytest.LogCaptureFixture) -> None:
    service = Service()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await respond(send)
        raise KeyError("order")

    with pytest.raises(KeyError):
        service.serve(app)
    (span,) = service.spans
    assert span.status.status_code is StatusCode.UNSET
    assert not caplog.records, "the SDK warns of calls on spans that have ended"
    assert otel_context.get_current() == {}
    assert not trace.get_current_span().get_span_context().is_valid
