"""The SERVER spans of requests to kafka-hooks."""

from __future__ import annotations

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler
from pywatt.telemetry.sdk import SdkSpans
from pywatt.telemetry.settings import SkipRule
from pywatt.telemetry.trace_context import trace_of
from pywatt.telemetry.tracing import Tracing
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.tracing.traced_router import TracedRouter

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
NOT_SAMPLED, SAMPLED = (f"00-{TRACE}-{SPAN}-{flags}".encode() for flags in ("00", "01"))


class Service:
    """A router that responds with a status, or not at all."""

    is_same_user = True

    def __init__(self, bound: int, status: int = 202) -> None:
        provider = WorkerTracerProvider(shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        sampler = HeadSampler(bound, follows_parent=True)
        tracing = Tracing(spans=SdkSpans(provider, sampler), sampler=sampler, skip=[SkipRule(path="/topics/quiet")])
        self.router = TracedRouter(
            self,
            tracing,
            is_own=lambda request: request.path == "/metrics",
            route_of=lambda request: "/topics/:topic" if request.path.startswith("/topics/") else "",
        )
        self.status = status
        self.seen: list[Request] = []
        self.responses: list[int] = []

    def ask(self, path: str = "/topics/orders", *headers: tuple[bytes, bytes]) -> HooksExchange:
        exchange = HooksExchange(self)
        self.router.handle(Request("POST", path, b"token=a&b=1", [(b"host", b"hooks:80"), *headers]), exchange)
        return exchange

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        self.seen.append(request)
        if self.status:
            exchange.respond(HttpResponse(self.status))
        else:
            exchange.on_gone(lambda: self.responses.append(0))

    def respond(self, response: HttpResponse) -> None:
        self.responses.append(response.status)


@pytest.mark.parametrize("headers", [[], [(b"traceparent", SAMPLED), (b"tracestate", b"shop=1")]])
def test_a_sampled_request_has_a_span_that_the_record_belongs_to(headers: list[tuple[bytes, bytes]]) -> None:
    service = Service(TRACE_ID_LIMIT)
    service.ask("/topics/orders", *headers)
    (span,) = service.exporter.get_finished_spans()
    assert span.context is not None
    assert span.attributes is not None
    assert (span.name, span.kind.name) == ("POST /topics/:topic", "SERVER")
    assert span.attributes["url.query"] == "token=REDACTED&b=1"
    assert (span.attributes["http.response.status_code"], span.attributes["server.address"]) == (202, "hooks")
    passed = trace_of(service.seen[0].headers)
    assert passed is not None
    assert (int(passed.trace_id, 16), int(passed.span_id, 16)) == (span.context.trace_id, span.context.span_id)
    assert passed.tracestate == ("shop=1" if headers else "")
    assert (span.parent is not None) == bool(headers)
    assert service.responses == [202]


def test_errors() -> None:
    for status, is_error in ((404, False), (503, True)):
        service = Service(TRACE_ID_LIMIT, status)
        service.ask("/nowhere")
        (span,) = service.exporter.get_finished_spans()
        assert (span.name, span.status.is_ok) == ("POST", not is_error)


def test_a_client_that_leaves_ends_it() -> None:
    service = Service(TRACE_ID_LIMIT, 0)
    service.ask().abandon()
    (span,) = service.exporter.get_finished_spans()
    assert span.attributes is not None
    assert span.attributes["error.type"] == "cancelled"
    assert service.responses == [0]


@pytest.mark.parametrize(("bound", "headers"), [(0, []), (TRACE_ID_LIMIT, [(b"traceparent", NOT_SAMPLED)])])
def test_one_that_is_not_sampled_says_so(bound: int, headers: list[tuple[bytes, bytes]]) -> None:
    service = Service(bound)
    service.ask("/topics/orders", *headers)
    passed = trace_of(service.seen[0].headers)
    assert passed is not None
    assert not passed.sampled
    assert not service.exporter.get_finished_spans()


def test_the_admin_api_and_skipped_paths_have_none() -> None:
    service = Service(TRACE_ID_LIMIT)
    service.ask("/metrics")
    service.ask("/topics/quiet")
    assert not service.exporter.get_finished_spans()
    assert service.responses == [202, 202]
