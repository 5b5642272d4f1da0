"""Spans and metrics of messaging operations, by OpenTelemetry's SDK in memory."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from harness.spans import Observed, identity, ids, linked
from opentelemetry import trace
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_OFF
from opentelemetry.trace import NoOpTracerProvider

from pywatt_kafka import InvalidRecord, Message, RecordPosition
from pywatt_kafka.tracing.attributes import NamingMode
from pywatt_kafka.tracing.batch import Batch
from pywatt_kafka.tracing.received import Client, Received, received
from pywatt_kafka.tracing.telemetry import Telemetry

CLIENT = Client("shop", "[::1]:9092", "billing")
FIRST = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
SECOND = "00-0af7651916cd43dd8448eb211c80319d-b7ad6b7169203332-01"
POSITION = RecordPosition("orders", 1, 7)


@pytest.fixture
def observed() -> Iterator[Observed]:
    recorded = Observed()
    yield recorded
    recorded.tracers.shutdown()
    recorded.meters.shutdown()


def telemetry(observed: Observed, mode: NamingMode = NamingMode.OLDER, *, creates: bool = True) -> Telemetry:
    return Telemetry(mode, observed.tracers, observed.meters, create_spans=creates)


def record(parent: str, topic: str = "orders") -> Received:
    return received(Message(topic, 0, 3, b"k", None, (("traceparent", parent.encode()),), -1), CLIENT)


def names(span: Any) -> set[str]:
    return {name for name in span.attributes if "system" in name or "offset" in name or "tombstone" in name}


CURRENT = {"messaging.system.name", "kafka.offset", "kafka.message.tombstone"}
OLDER = {"messaging.system", "messaging.kafka.offset", "messaging.kafka.message.tombstone"}


@pytest.mark.parametrize(
    ("mode", "expected"),
    [(NamingMode.OLDER, OLDER), (NamingMode.CURRENT, CURRENT), (NamingMode.BOTH, OLDER | CURRENT)],
)
def test_names_are_those_of_the_mode(observed: Observed, mode: NamingMode, expected: set[str]) -> None:
    operation, _ = telemetry(observed, mode).send("orders", 7, None, (), CLIENT)
    operation.settle(POSITION)
    operation.settle(InvalidRecord("too late"))
    (span,) = observed.spans("send orders")
    assert names(span) == expected
    assert (span.attributes or {})["server.address"] == "::1"
    assert span.status.is_ok


def test_process_of_several_records_links_all_and_has_no_parent(observed: Observed) -> None:
    with telemetry(observed).process([record(FIRST), record(SECOND)]):
        assert trace.get_current_span().get_span_context().is_valid
    (span,) = observed.spans("process orders")
    assert linked(span) == [ids(FIRST.encode()), ids(SECOND.encode())]
    assert span.parent is None
    assert (span.attributes or {})["messaging.batch.message_count"] == 2


def test_process_below_a_current_span_is_its_child(observed: Observed) -> None:
    with observed.tracer.start_as_current_span("job") as job, telemetry(observed).process([record(FIRST)]):
        pass
    (span,) = observed.spans("process orders")
    assert span.parent is not None
    assert span.parent.span_id == job.get_span_context().span_id
    assert linked(span) == [ids(FIRST.encode())]


def test_context_is_detached_when_a_body_fails(observed: Observed) -> None:
    with pytest.raises(ZeroDivisionError), telemetry(observed).process([record(FIRST)]):
        raise ZeroDivisionError
    assert not trace.get_current_span().get_span_context().is_valid
    (span,) = observed.spans("process orders")
    assert (span.attributes or {})["error.type"] == "ZeroDivisionError"


def test_poll_of_several_topics_is_one_span_and_counts_each(observed: Observed) -> None:
    headers = [record(FIRST).headers, record(SECOND).headers, record(FIRST).headers]
    telemetry(observed).polled({"orders": 2, "returns": 1}, headers, CLIENT, 0)
    (span,) = observed.spans("poll")
    assert len(span.links) == 3
    assert "messaging.destination.name" not in (span.attributes or {})
    assert observed.total("messaging.client.consumed.messages") == 3


@pytest.mark.parametrize("provider", [NoOpTracerProvider(), TracerProvider(sampler=ALWAYS_OFF)])
def test_headers_of_a_poll_that_is_not_recorded_are_not_read(observed: Observed, provider: Any) -> None:
    def headers() -> Iterator[Any]:
        raise AssertionError
        yield

    made = Telemetry(NamingMode.OLDER, provider, observed.meters)
    made.polled({"orders": 2}, headers(), CLIENT, 0)
    assert observed.total("messaging.client.consumed.messages") == 2


def test_without_create_the_context_of_send_goes_into_all_records(observed: Observed) -> None:
    batch = Batch(telemetry(observed, creates=False), CLIENT)
    given = [{"topic": "orders", "value": b"1"}, "wrong", {"topic": "orders", "headers": {"traceparent": FIRST}}]
    first, wrong, own = batch.observed(given)
    batch.end([POSITION, InvalidRecord("wrong"), POSITION])
    assert wrong == "wrong"
    (span,) = observed.spans("send orders")
    assert ids(dict(first["headers"])["traceparent"]) == identity(span)
    assert own["headers"] == [("traceparent", FIRST)]
    assert linked(span) == [ids(FIRST.encode())]
    assert (span.attributes or {})["error.type"] == "InvalidRecord"
    assert observed.total("messaging.client.sent.messages") == 3


def test_wrong_headers_of_an_iterator_are_left_whole_to_the_client(observed: Observed) -> None:
    wrong = [("a", b"1"), "b", ("c", b"2")]
    operation, headers = telemetry(observed).send("orders", None, b"", iter(wrong), CLIENT)
    operation.settle(POSITION)
    assert headers == wrong
    batch = Batch(telemetry(observed), CLIENT)
    (message,) = batch.observed([{"topic": "orders", "headers": iter(wrong)}])
    assert message["headers"] == wrong
