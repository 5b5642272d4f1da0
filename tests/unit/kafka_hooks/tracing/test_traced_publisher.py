"""The headers of records whose requests are not sampled, and the spans of the others."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pywatt.telemetry.otel.server_spans import WorkerTracerProvider
from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler
from pywatt.telemetry.sdk import SdkSpans
from pywatt.telemetry.trace_context import parse_traceparent
from pywatt.telemetry.tracing import Tracing
from pywatt_kafka import ConnectionState, ConnectionStatus, Headers, KafkaError, RecordPosition
from pywatt_kafka.tracing.attributes import NamingMode
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.tracing.traced_publisher import TracedPublisher

TRACE, SPAN = b"4bf92f3577b34da6a3ce929d0e0e4736", b"00f067aa0ba902b7"
NOT_SAMPLED, SAMPLED = (b"00-%b-%b-%b" % (TRACE, SPAN, flags) for flags in (b"00", b"01"))
BATCH = (b"content-type", b"application/vnd.pywatt.records+json")


class Client:
    """Publishes, and keeps what was written."""

    is_same_user = True

    def __init__(self, bound: int) -> None:
        provider = WorkerTracerProvider(shutdown_on_exit=False)
        self.exporter = InMemorySpanExporter()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        tracing = Tracing(spans=SdkSpans(provider), sampler=HeadSampler(bound, follows_parent=True))
        options = PublishOptions(topics=frozenset({"orders"}))
        self.publisher = TracedPublisher(self, options, tracing=tracing, mode=NamingMode.OLDER)
        self.status = ConnectionStatus(ConnectionState.CONNECTED)
        self.written: list[dict[str, bytes | None]] = []

    def post(
        self,
        topic: str,
        value: bytes | None,
        done: Callable[[RecordPosition | KafkaError], None],
        *,
        key: bytes | None = None,
        headers: Headers = (),
        partition: int | None = None,
    ) -> None:
        assert len(dict(headers)) == len(headers)
        self.written.append(dict(headers))
        done(RecordPosition(topic, 0, len(self.written)))

    def respond(self, response: HttpResponse) -> None:
        assert response.status < 400

    def send(self, headers: Sequence[tuple[bytes, bytes]]) -> list[dict[str, bytes | None]]:
        """Publish a record, and a batch of two; return the headers of the three."""
        given = list(headers)
        for sent, body in (given, b"{}"), ([*given, BATCH], json.dumps([{"value": 1}, {"value": 2}]).encode()):
            self.publisher.publish("orders", Request("POST", "/topics/orders", b"", sent, body), HooksExchange(self))
        assert given == list(headers), "the next request may have the same list"
        return self.written


def test_a_trace_that_is_not_sampled_passes_as_it_is() -> None:
    client = Client(TRACE_ID_LIMIT)
    headers = [(b"traceparent", NOT_SAMPLED), (b"tracestate", b"shop=1"), (b"baggage", b"tenant=7")]
    for written in client.send(headers):
        assert {name: written[name] for name in ("traceparent", "tracestate", "baggage")} == {
            name.decode(): value for name, value in headers
        }
    assert not client.exporter.get_finished_spans()


def test_a_request_without_a_trace_gets_one_that_says_so() -> None:
    client = Client(0)
    found = [
        parse_traceparent((written["traceparent"] or b"").decode()) for written in client.send([(b"baggage", b"a=1")])
    ]
    ids = [trace.trace_id for trace in found if trace is not None and not trace.sampled]
    assert len(ids) == 3
    assert ids[0] != ids[1] == ids[2], "one for each request"
    assert [written["baggage"] for written in client.written] == [b"a=1"] * 3
    assert not client.exporter.get_finished_spans()


@pytest.mark.parametrize("headers", [[], [(b"traceparent", SAMPLED), (b"tracestate", b"shop=1"), (b"baggage", b"a=1")]])
def test_records_carry_the_span_that_sent_them(headers: list[tuple[bytes, bytes]]) -> None:
    client = Client(TRACE_ID_LIMIT)
    written = client.send(headers)
    spans = client.exporter.get_finished_spans()
    assert [span.name for span in spans] == ["send orders"] * 2
    ids = [f"{span.context.span_id:016x}".encode() for span in spans if span.context is not None]
    assert [(record["traceparent"] or b"").split(b"-")[2] for record in written] == [ids[0], ids[1], ids[1]]
    if headers:
        assert {(record["traceparent"] or b"").split(b"-")[1] for record in written} == {TRACE}
        assert {(record["tracestate"], record["baggage"]) for record in written} == {(b"shop=1", b"a=1")}
