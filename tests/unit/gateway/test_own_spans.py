"""Spans of the responses that a gateway gives itself."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pywatt.errors import ServiceUnavailable
from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler
from pywatt.telemetry.sdk import SdkSpans
from pywatt.telemetry.settings import SkipRule
from pywatt.telemetry.tracing import Tracing

Scene = Any
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


class Traced:
    """A scene with spans."""

    def __init__(self, make_scene: Callable[..., Scene], bound: int) -> None:
        provider = WorkerTracerProvider(shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        sampler = HeadSampler(bound, follows_parent=True)
        skip = [SkipRule(path="/quiet/*")]
        self.scene = make_scene(tracing=Tracing(spans=SdkSpans(provider, sampler), sampler=sampler, skip=skip))

    def ask(self, path: str, headers: str = "") -> tuple[bytes, list[ReadableSpan]]:
        """Return the response and the spans so far."""
        client, transport = self.scene.connect()
        client.data_received(f"GET {path} HTTP/1.1\r\nHost: a:81\r\n{headers}\r\n".encode())
        return transport.take(), list(self.exporter.get_finished_spans())


@pytest.mark.parametrize(("path", "status"), [("/nowhere?sig=a", 404), ("/", 200)])
def test_without_a_route(make_scene: Callable[..., Scene], path: str, status: int) -> None:
    response, (span,) = Traced(make_scene, TRACE_ID_LIMIT).ask(path, f"traceparent: 00-{TRACE}-{SPAN}-01\r\n")
    assert response.startswith(b"HTTP/1.1 %d " % status)
    assert span.attributes is not None
    assert span.parent is not None
    assert (span.name, span.kind.name, f"{span.parent.span_id:016x}") == ("GET", "SERVER", SPAN)
    assert (span.attributes["http.response.status_code"], span.status.is_ok) == (status, True)
    assert (span.attributes["server.port"], span.attributes["client.address"]) == (81, "192.0.2.7")
    assert span.attributes.get("url.query", "sig=REDACTED") == "sig=REDACTED"


def test_without_a_worker(make_scene: Callable[..., Scene]) -> None:
    traced = Traced(make_scene, TRACE_ID_LIMIT)
    traced.scene.upstreams.hold_dials = True
    client, transport = traced.scene.connect()
    client.data_received(b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
    traced.scene.upstreams.fail(ServiceUnavailable("it is away"))
    assert transport.take().startswith(b"HTTP/1.1 503 ")
    (span,) = traced.exporter.get_finished_spans()
    assert span.attributes is not None
    assert (span.attributes["http.response.status_code"], span.status.is_ok) == (503, False)


@pytest.mark.parametrize(
    ("bound", "path", "headers"),
    [
        (0, "/nowhere", ""),
        (TRACE_ID_LIMIT, "/nowhere", f"traceparent: 00-{TRACE}-{SPAN}-00\r\n"),
        (TRACE_ID_LIMIT, "/quiet/a", ""),
    ],
)
def test_without_a_span(make_scene: Callable[..., Scene], bound: int, path: str, headers: str) -> None:
    response, spans = Traced(make_scene, bound).ask(path, headers)
    assert response.startswith(b"HTTP/1.1 404 ")
    assert not spans
