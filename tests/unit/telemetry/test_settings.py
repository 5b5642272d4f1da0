"""The block `telemetry` and the OTEL_* variables."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pywatt.telemetry.settings import (
    ExporterConfig,
    Instrumentation,
    SkipRule,
    TelemetryConfig,
    exporters_for,
    merged,
    service_name,
    service_variables,
)

FOLDER = Path("/app")
OTLP = {"type": "otlp", "options": {"url": "http://c:4318/v1/traces", "headers": {"k": "v"}}}


def test_without_a_block_the_variables_decide() -> None:
    config = merged(None, None, folder=FOLDER)
    assert config == TelemetryConfig()
    assert exporters_for(config, {}) == ()
    assert exporters_for(config, {"OTEL_EXPORTER_OTLP_ENDPOINT": "http://c:4318"}) == (ExporterConfig(type="otlp"),)
    assert exporters_for(config, {"OTEL_TRACES_EXPORTER": "console, zipkin"}) == (
        ExporterConfig(type="console"),
        ExporterConfig(type="zipkin"),
    )
    assert exporters_for(config, {"OTEL_TRACES_EXPORTER": "none", "OTEL_EXPORTER_OTLP_ENDPOINT": "x"}) == ()
    grpc = {"OTEL_TRACES_EXPORTER": "otlp", "OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}
    assert exporters_for(config, grpc) == (ExporterConfig(type="otlp", protocol="grpc"),)


def test_a_block_turns_spans_on_and_its_exporters_win() -> None:
    config = merged({"applicationName": "shop", "exporter": [OTLP, {"type": "file"}]}, None, folder=FOLDER)
    both = exporters_for(config, {"OTEL_TRACES_EXPORTER": "console"})
    assert both == (
        ExporterConfig(type="otlp", url="http://c:4318/v1/traces", headers={"k": "v"}),
        ExporterConfig(type="file", path="/app/spans.jsonl"),
    )
    assert exporters_for(merged({}, folder=FOLDER), {}) == (ExporterConfig(type="otlp"),)


@pytest.mark.parametrize(
    ("blocks", "environ"),
    [
        ([{"enabled": False, "exporter": OTLP}], {"OTEL_TRACES_EXPORTER": "otlp"}),
        ([{"exporter": OTLP}, {"enabled": False}], {}),
        ([{"exporter": OTLP}], {"OTEL_SDK_DISABLED": " True "}),
        ([{"createTraceContext": True}], {}),
    ],
)
def test_no_spans(blocks: list[dict[str, Any]], environ: dict[str, str]) -> None:
    assert exporters_for(merged(*blocks, folder=FOLDER), environ) == ()


def test_keys_of_a_service_win_one_by_one() -> None:
    root = {"applicationName": "shop", "version": "1", "exporter": OTLP, "instrumentations": ["requests"]}
    own = {
        "version": "2",
        "instrumentations": [{"package": "x.y", "exportName": "Z", "options": {"a": 1}}, "django"],
        "skip": [{"path": "/health*", "method": "get"}],
    }
    config = merged(root, own, folder=FOLDER)
    assert (config.application_name, config.version, len(config.exporters)) == ("shop", "2", 1)
    assert config.instrumentations == (Instrumentation(name="x.y:Z", options={"a": 1}), Instrumentation(name="django"))
    assert config.skip == (SkipRule("/health*", "GET"),)


def test_skip_rules() -> None:
    rule = SkipRule("/health*", "GET")
    assert rule.matches("GET", "/health/live")
    assert not rule.matches("POST", "/health/live")
    assert SkipRule("/x").matches("POST", "/x")
    assert not SkipRule("/x").matches("GET", "/x/y")


def test_programs_get_variables_that_the_user_has_not_set() -> None:
    config = merged({"applicationName": "shop", "exporter": OTLP}, folder=FOLDER)
    assert service_variables(config, {}, app="a", service="node") == {
        "OTEL_SERVICE_NAME": "shop-node",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://c:4318/v1/traces",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf",
        "OTEL_EXPORTER_OTLP_TRACES_HEADERS": "k=v",
    }
    assert "OTEL_SERVICE_NAME" not in service_variables(config, {"OTEL_SERVICE_NAME": "x"}, app="a", service="node")
    assert service_variables(merged(None, folder=FOLDER), {}, app="a", service="node") == {}
    assert service_name(config, {"OTEL_SERVICE_NAME": "x"}, app="a", service="node") == "x"
    assert service_name(merged({}, folder=FOLDER), {}, app="a", service="node") == "a-node"
