"""Exports log records by OTLP; runs in a transport's process. Needs the extra `pywatt[telemetry]`."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import import_module
from typing import Any

from opentelemetry._logs import LogRecord, SeverityNumber
from opentelemetry.sdk._logs import LoggerProvider
from opentelemetry.sdk._logs.export import BatchLogRecordProcessor, LogRecordExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.trace import TraceFlags

NANOSECONDS = 1_000_000
"""In a millisecond."""
_SEVERITIES = (
    (60, SeverityNumber.FATAL),
    (50, SeverityNumber.ERROR),
    (40, SeverityNumber.WARN),
    (30, SeverityNumber.INFO),
    (20, SeverityNumber.DEBUG),
    (0, SeverityNumber.TRACE),
)
_OWN = ("level", "time", "pid", "hostname", "name", "worker", "msg", "trace_id", "span_id", "trace_flags")


class OpenTelemetryLogs:
    """Exports the records of all services, each service as a resource of its own."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self._options = options
        self._providers: dict[tuple[str, int], LoggerProvider] = {}

    def write(self, record: Mapping[str, Any]) -> None:
        """Queue one record."""
        number = int(record["level"])
        severity = next(severity for limit, severity in _SEVERITIES if number >= limit)
        self._provider(record).get_logger("pywatt").emit(
            LogRecord(
                timestamp=int(record["time"]) * NANOSECONDS,
                trace_id=_id(record.get("trace_id")),
                span_id=_id(record.get("span_id")),
                trace_flags=TraceFlags(TraceFlags.SAMPLED) if record.get("trace_id") else None,
                severity_text=severity.name,
                severity_number=severity,
                body=record["msg"],
                attributes=_attributes(record),
            )
        )

    def close(self) -> None:
        """Export what is left."""
        for provider in self._providers.values():
            provider.shutdown()

    def _provider(self, record: Mapping[str, Any]) -> LoggerProvider:
        key = str(record["name"]), int(record.get("worker") or 0)
        if key not in self._providers:
            resource = Resource.create(
                {
                    "service.name": key[0],
                    "service.instance.id": f"{record.get('hostname')}/{key[0]}/{key[1]}",
                    "host.name": str(record.get("hostname")),
                }
            )
            provider = self._providers[key] = LoggerProvider(resource, shutdown_on_exit=False)
            provider.add_log_record_processor(BatchLogRecordProcessor(_exporter(self._options)))
        return self._providers[key]


def _exporter(options: Mapping[str, Any]) -> LogRecordExporter:
    url, headers = options.get("url"), options.get("headers")
    if options.get("protocol") == "grpc":
        # A package that is not in the extra: grpcio is large.
        grpc: Any = import_module("opentelemetry.exporter.otlp.proto.grpc._log_exporter")
        exporter: LogRecordExporter = grpc.OTLPLogExporter(endpoint=url, headers=headers)
        return exporter
    from opentelemetry.exporter.otlp.proto.http._log_exporter import OTLPLogExporter

    return OTLPLogExporter(endpoint=url, headers=headers)


def _id(text: object) -> int | None:
    try:
        return int(text, 16) if isinstance(text, str) else None
    except ValueError:
        return None


def _attributes(record: Mapping[str, Any]) -> dict[str, Any]:
    """Return the further keys; those of an error by the names of the conventions."""
    found: dict[str, Any] = {}
    for key, value in record.items():
        if key in _OWN:
            continue
        if key == "err" and isinstance(value, Mapping):
            for part, name in (("type", "type"), ("message", "message"), ("stack", "stacktrace")):
                if part in value:
                    found[f"exception.{name}"] = str(value[part])
        elif value is not None:
            found[key] = value
    return found
