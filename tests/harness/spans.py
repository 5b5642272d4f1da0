"""Records spans and metrics of Kafka clients in memory."""

from __future__ import annotations

from typing import Any, Self

from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from pywatt_kafka.tracing import KafkaInstrumentation

OWN = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Observed:
    """Records the spans and metrics of Kafka clients while it is entered."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider()
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader])
        self.tracer = self.tracers.get_tracer("test")
        self._instrumentation = KafkaInstrumentation(tracer_provider=self.tracers, meter_provider=self.meters)

    def __enter__(self) -> Self:
        self._instrumentation.enable()
        return self

    def __exit__(self, *_: object) -> None:
        self._instrumentation.disable()
        self.tracers.shutdown()
        self.meters.shutdown()

    def spans(self, name: str) -> list[ReadableSpan]:
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    def total(self, name: str) -> float:
        """Return the sum of a counter, or the count of a histogram."""
        data = self.reader.get_metrics_data()
        assert data is not None
        points: list[Any] = [
            point
            for resource in data.resource_metrics
            for scope in resource.scope_metrics
            for metric in scope.metrics
            if metric.name == name
            for point in metric.data.data_points
        ]
        total: float = sum(point.count if hasattr(point, "count") else point.value for point in points)
        return total


def identity(span: ReadableSpan) -> tuple[int, int]:
    context = span.get_span_context()
    assert context is not None
    return context.trace_id, context.span_id


def linked(span: ReadableSpan) -> list[tuple[int, int]]:
    return [(link.context.trace_id, link.context.span_id) for link in span.links]


def ids(header: bytes | None) -> tuple[int, int]:
    assert header is not None
    _, trace_id, span_id, _ = header.decode().split("-")
    return int(trace_id, 16), int(span_id, 16)


def parents(message: Any) -> list[bytes | None]:
    return [value for name, value in message.headers if name == "traceparent"]
