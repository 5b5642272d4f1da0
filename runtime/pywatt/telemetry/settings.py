"""The `telemetry` block of config files, and the OTEL_* variables that decide what it leaves open (pure)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

EXPORTER_TYPES = ("otlp", "console", "zipkin", "memory", "file")
TRACES_EXPORTER = "OTEL_TRACES_EXPORTER"
ENDPOINTS = ("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT")
DISABLED = "OTEL_SDK_DISABLED"
SERVICE_NAME = "OTEL_SERVICE_NAME"
NO_EXPORTER = "none"
DEFAULT_FILE = "spans.jsonl"
"""In the app's folder."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ExporterConfig:
    """Where spans go. Key: `telemetry.exporter`."""

    type: str
    """One of EXPORTER_TYPES; of OTEL_TRACES_EXPORTER also the name of an entry point of OpenTelemetry."""
    url: str | None = None
    """Complete address; None: what the OTEL_* variables say."""
    headers: Mapping[str, str] = field(default_factory=dict)
    protocol: str = "http"
    """`http` (protobuf) or `grpc`, for OTLP."""
    path: str | None = None
    """The file of type `file`, absolute."""


@dataclass(frozen=True, slots=True)
class SkipRule:
    """Requests that get no span. Key: `telemetry.skip`."""

    path: str
    """The path without a query; a `*` at its end stands for any rest."""
    method: str = ""
    """Blank: any."""

    def matches(self, method: str, path: str) -> bool:
        """Return whether a request gets no span."""
        if self.method and self.method != method:
            return False
        return path.startswith(self.path[:-1]) if self.path.endswith("*") else path == self.path


@dataclass(frozen=True, slots=True, kw_only=True)
class Instrumentation:
    """A library's instrumentation by OpenTelemetry. Key: `telemetry.instrumentations`."""

    name: str
    """An entry point of `opentelemetry_instrumentor`, such as `requests`, or `module:Class`."""
    options: Mapping[str, Any] = field(default_factory=dict)
    """Arguments of its `instrument()`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TelemetryConfig:
    """Tracing of one service."""

    configured: bool = False
    """True if a config file has a block `telemetry` that asks for spans, which need OpenTelemetry."""
    disabled: bool = False
    """True if a config file says `enabled: false`, whatever the variables say."""
    application_name: str = ""
    """First part of the name `<applicationName>-<service>`; blank: the app's name."""
    version: str = ""
    exporters: tuple[ExporterConfig, ...] = ()
    """None: what OTEL_TRACES_EXPORTER says, by default OTLP."""
    skip: tuple[SkipRule, ...] = ()
    instrumentations: tuple[Instrumentation, ...] = ()
    creates_trace: bool = False
    """True if the gateway gives a traceparent to requests that have none, even without OpenTelemetry."""


def merged(*layers: Mapping[str, Any] | None, folder: Path) -> TelemetryConfig:
    """Return the configuration in valid `telemetry` blocks; the keys of later ones win. `folder`: the app's."""
    blocks = [layer for layer in layers if layer is not None]
    block: dict[str, Any] = {}
    for layer in blocks:
        block.update(layer)
    enabled = block.get("enabled", True)
    exporter = block.get("exporter", ())
    exporters = [exporter] if isinstance(exporter, Mapping) else exporter
    return TelemetryConfig(
        configured=bool(blocks) and enabled and not _only_creates(block),
        disabled=not enabled,
        application_name=block.get("applicationName", ""),
        version=block.get("version", ""),
        exporters=tuple(_exporter(each, folder) for each in exporters),
        skip=tuple(SkipRule(each["path"], each.get("method", "").upper()) for each in block.get("skip", ())),
        instrumentations=tuple(_instrumentation(each) for each in block.get("instrumentations", ())),
        creates_trace=enabled and block.get("createTraceContext", False),
    )


def _only_creates(block: Mapping[str, Any]) -> bool:
    """Return whether a block asks for nothing that needs OpenTelemetry."""
    return block.get("createTraceContext", False) and block.keys() <= {"createTraceContext", "enabled"}


def _exporter(block: Mapping[str, Any], folder: Path) -> ExporterConfig:
    options = block.get("options", {})
    return ExporterConfig(
        type=block["type"],
        url=options.get("url"),
        headers=options.get("headers", {}),
        protocol=options.get("protocol", "http"),
        path=str(folder / options.get("path", DEFAULT_FILE)) if block["type"] == "file" else None,
    )


def _instrumentation(value: str | Mapping[str, Any]) -> Instrumentation:
    if isinstance(value, str):
        return Instrumentation(name=value)
    name = value["package"] + (f":{value['exportName']}" if "exportName" in value else "")
    return Instrumentation(name=name, options=value.get("options", {}))


def exporters_for(config: TelemetryConfig | None, environ: Mapping[str, str]) -> tuple[ExporterConfig, ...]:
    """Return where the spans of a worker go; none: tracing is off."""
    if config is None or config.disabled or environ.get(DISABLED, "").strip().lower() == "true":
        return ()
    if config.configured and config.exporters:
        return config.exporters
    named = environ.get(TRACES_EXPORTER, "").strip()
    if not named and (config.configured or any(environ.get(name) for name in ENDPOINTS)):
        named = "otlp"
    names = [name for part in named.split(",") if (name := part.strip())]
    protocol = "grpc" if _protocol(environ) == "grpc" else "http"
    return tuple(ExporterConfig(type=name, protocol=protocol) for name in names if name != NO_EXPORTER)


def _protocol(environ: Mapping[str, str]) -> str:
    return environ.get("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL") or environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")


def service_variables(
    config: TelemetryConfig | None, environ: Mapping[str, str], *, app: str, service: str
) -> dict[str, str]:
    """Return OTEL_* variables for a program with an SDK of its own, as far as the user has not set them."""
    exporters = exporters_for(config, environ)
    if not exporters or config is None:
        return {}
    variables = {SERVICE_NAME: service_name(config, environ, app=app, service=service)}
    names = dict.fromkeys(each.type for each in exporters if each.type in ("otlp", "console", "zipkin"))
    if names:
        variables[TRACES_EXPORTER] = ",".join(names)
    for each in exporters:
        if each.type == "otlp" and each.url is not None:
            variables["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT"] = each.url
            variables["OTEL_EXPORTER_OTLP_TRACES_PROTOCOL"] = "grpc" if each.protocol == "grpc" else "http/protobuf"
            if each.headers:
                variables["OTEL_EXPORTER_OTLP_TRACES_HEADERS"] = ",".join(f"{k}={v}" for k, v in each.headers.items())
        elif each.type == "zipkin" and each.url is not None:
            variables["OTEL_EXPORTER_ZIPKIN_ENDPOINT"] = each.url
    return {name: value for name, value in variables.items() if name not in environ}


def service_name(config: TelemetryConfig, environ: Mapping[str, str], *, app: str, service: str) -> str:
    """Return the resource attribute `service.name`: as in the original, `<applicationName>-<service>`."""
    return environ.get(SERVICE_NAME) or f"{config.application_name or app}-{service}"
