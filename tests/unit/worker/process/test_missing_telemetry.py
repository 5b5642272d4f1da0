"""A worker whose environment lacks OpenTelemetry."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pywatt.config.model import RestartConfig, ServerConfig, ServiceConfig
from pywatt.errors import MissingExtra
from pywatt.telemetry import package
from pywatt.telemetry.settings import TelemetryConfig, merged
from pywatt.telemetry.tracing import active_tracing
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.process.tracing import start_tracing


def launch(telemetry: TelemetryConfig, kind: str = "python") -> LaunchMessage:
    return LaunchMessage(
        endpoint_id="api:0",
        service=ServiceConfig(
            restart=RestartConfig(longest_delay=1.0), id="api", path=Path(), type=kind, telemetry=telemetry
        ),
        slot=0,
        app_name="shop",
        production=True,
        base_path="/",
        server=ServerConfig(),
        env={},
        supervisor_pid=1,
        mark=1,
        descriptors=(),
    )


def test_a_configured_worker_names_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(package, "is_installed", lambda: False)
    with pytest.raises(MissingExtra) as raised:
        start_tracing(launch(merged({"exporter": {"type": "console"}}, folder=Path())), {})
    assert raised.value.message == "telemetry needs the package opentelemetry-sdk"
    assert raised.value.hint == "pip install 'pywatt[telemetry]'"


@pytest.mark.parametrize(
    ("blocks", "kind", "environ"),
    [
        ([], "python", {"OTEL_TRACES_EXPORTER": "otlp"}),
        ([{"exporter": {"type": "console"}}], "command", {}),
        ([{"exporter": {"type": "console"}, "enabled": False}], "python", {}),
        ([{"createTraceContext": True}], "python", {}),
    ],
    ids=["by a variable only", "command", "disabled", "no spans wanted"],
)
def test_others_run_without_spans(
    monkeypatch: pytest.MonkeyPatch, blocks: list[Mapping[str, object]], kind: str, environ: dict[str, str]
) -> None:
    monkeypatch.setattr(package, "is_installed", lambda: False)
    start_tracing(launch(merged(*blocks, folder=Path()), kind), environ)
    assert active_tracing() is None
