"""Builds OpenTelemetry's span exporters; imported in workers with spans only."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

from opentelemetry.sdk.trace.export import (
    BatchSpanProcessor,
    ConsoleSpanExporter,
    SimpleSpanProcessor,
    SpanExporter,
    SpanExportResult,
)

from pywatt.errors import MissingExtra, PywattError
from pywatt.telemetry.otel.otlp_encoding import use_encoder
from pywatt.telemetry.settings import DEFAULT_FILE, ExporterConfig

KEPT = 2048
"""Spans that an exporter of type memory keeps, the newest."""
ENTRY_POINTS = "opentelemetry_traces_exporter"

memory: deque[Any] = deque(maxlen=KEPT)
"""The finished spans of this worker, with an exporter of type memory."""


class MemoryExporter(SpanExporter):  # type: ignore[misc]  # Any where it is not installed
    """Keeps spans in `memory`."""

    def export(self, spans: Sequence[Any]) -> Any:
        """Keep spans."""
        memory.extend(spans)
        return SpanExportResult.SUCCESS


class FileExporter(SpanExporter):  # type: ignore[misc]
    """Appends spans to a file that several workers may write, a JSON object per line."""

    def __init__(self, path: Path) -> None:
        self._descriptor = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o644)

    def export(self, spans: Sequence[Any]) -> Any:
        """Write spans."""
        try:
            # One write each: the lines of several workers do not mix.
            for span in spans:
                os.write(self._descriptor, _line(span).encode())
        except OSError:
            return SpanExportResult.FAILURE
        return SpanExportResult.SUCCESS

    def shutdown(self) -> None:
        """Close the file."""
        os.close(self._descriptor)


def span_processor(config: ExporterConfig) -> Any:
    """Return the processor that exports spans there. Raises PywattError."""
    match config.type:
        case "console":
            return SimpleSpanProcessor(ConsoleSpanExporter(formatter=_line))
        case "memory":
            return SimpleSpanProcessor(MemoryExporter())
        case "file":
            path = Path(config.path or DEFAULT_FILE)
            try:
                exporter = FileExporter(path)
            except OSError as error:
                message = f"telemetry.exporter: cannot write {path}: {error.strerror}"
                raise PywattError(message, hint="correct options.path, or make the folder") from error
            return BatchSpanProcessor(exporter)
        case "otlp":
            return BatchSpanProcessor(_otlp(config))
        case "zipkin":
            return BatchSpanProcessor(_zipkin(config))
        case _:
            return BatchSpanProcessor(_installed(config.type))


def _otlp(config: ExporterConfig) -> Any:
    if config.protocol == "grpc":
        try:
            module: Any = import_module("opentelemetry.exporter.otlp.proto.grpc.trace_exporter")
        except ModuleNotFoundError as error:
            package = "opentelemetry-exporter-otlp-proto-grpc"
            message = f'telemetry: the protocol "grpc" needs the package {package}'
            raise PywattError(message, hint=f"pip install {package}") from error
        return module.OTLPSpanExporter(endpoint=config.url, headers=dict(config.headers) or None)
    try:
        from opentelemetry.exporter.otlp.proto.http import trace_exporter
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "opentelemetry-exporter-otlp-proto-http", "telemetry", needed_by='telemetry.exporter "otlp"'
        ) from error
    use_encoder([trace_exporter])
    return trace_exporter.OTLPSpanExporter(endpoint=config.url, headers=dict(config.headers) or None)


def _zipkin(config: ExporterConfig) -> Any:
    try:
        from opentelemetry.exporter.zipkin.json import ZipkinExporter
    except ModuleNotFoundError as error:
        raise MissingExtra(
            "opentelemetry-exporter-zipkin-json", "telemetry", needed_by='telemetry.exporter "zipkin"'
        ) from error
    if not config.headers:
        return ZipkinExporter(endpoint=config.url)
    import requests

    session = requests.Session()
    session.headers.update(config.headers)
    return ZipkinExporter(endpoint=config.url, session=session)


def _installed(name: str) -> Any:
    """Return an exporter by its entry point, as OTEL_TRACES_EXPORTER names it. Raises PywattError."""
    found = next(iter(entry_points(group=ENTRY_POINTS, name=name)), None)
    if found is None:
        known = sorted({"console", "otlp", "zipkin", *(entry.name for entry in entry_points(group=ENTRY_POINTS))})
        raise PywattError(
            f'OTEL_TRACES_EXPORTER: no exporter "{name}" is installed', hint=f"use one of {', '.join(known)}, or none"
        )
    return found.load()()


def _line(span: Any) -> str:
    return f"{span.to_json(indent=None)}\n"
