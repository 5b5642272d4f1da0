from __future__ import annotations

from typing import Any

import pytest

from pywatt.config.logger_model import (
    LineFormatConfig,
    LoggerConfig,
    RedactConfig,
    Rotation,
    Timestamp,
    TransportConfig,
)
from pywatt.config.model import LogLevel

API = {"id": "api", "path": "api"}


def root(logger: dict[str, Any] | None = None, own: dict[str, Any] | None = None) -> dict[str, Any]:
    return {
        "watt.json": {"web": [API], **({"logger": logger} if logger else {})},
        "api/watt.json": {"type": "python", **({"logger": own} if own else {})},
        "api/app.py": "",
        "form.py": "",
    }


def test_defaults(app: Any) -> None:
    config = app.load(root())
    assert config.logger == config.service("api").logger == LoggerConfig()
    assert config.logger.plain
    assert config.log_history == Rotation(max_size=16 * 1024 * 1024, max_files=4)
    assert app.load(root({"history": False})).log_history is None


def test_all_keys(app: Any) -> None:
    config = app.load(
        root(
            {
                "level": "http",
                "customLevels": {"http": 35},
                "redact": {"paths": ["a.b"], "censor": "*", "remove": True},
                "timestamp": "isoTime",
                "base": None,
                "pino": {"level": "severity", "time": "at", "message": "message"},
                "formatters": {"path": "form.py"},
                "captureStdio": False,
                "history": {"maxSize": 2, "maxFiles": 8, "interval": "day"},
                "transport": {
                    "options": {"mkdir": False},
                    "targets": [
                        {"target": "pino/file", "level": "warn", "options": {"destination": "a.log", "maxSize": 1}},
                        {"target": "own.code:keep", "options": {"x": 1}, "level": "http"},
                        {"target": "pino-roll", "options": {"file": "b", "size": "10m", "limit": {"count": 2}}},
                    ],
                },
            }
        )
    )
    assert config.log_level is LogLevel.INFO
    assert config.log_history == Rotation(max_size=2 * 1024 * 1024, max_files=8, interval=86400.0)
    assert config.logger == LoggerConfig(
        threshold=35,
        redact=RedactConfig(paths=("a.b",), censor="*", remove=True),
        format=LineFormatConfig(
            timestamp=Timestamp.ISO,
            base={},
            message_key="message",
            level_key="severity",
            time_key="at",
            formatters=app.path / "form.py",
        ),
        custom_levels={"http": 35},
        transports=(
            TransportConfig(
                target="pino/file",
                options={"mkdir": False, "destination": "a.log", "maxSize": 1},
                level=40,
                rotation=Rotation(max_size=1024 * 1024),
                folder=app.path,
            ),
            TransportConfig(target="own.code:keep", options={"mkdir": False, "x": 1}, level=35, folder=app.path),
            TransportConfig(
                target="pino-roll",
                options={"mkdir": False, "file": "b", "size": "10m", "limit": {"count": 2}},
                rotation=Rotation(max_size=30 * 1024 * 1024, max_files=3),
                folder=app.path,
            ),
        ),
        capture_stdio=False,
    )
    assert config.service("api").logger == config.logger


def test_keys_of_a_service_win(app: Any) -> None:
    config = app.load(
        root(
            {"redact": ["a"], "timestamp": "isoTime", "transport": {"target": "pino-pretty"}},
            {
                "redact": ["b"],
                "messageKey": "text",
                "transport": {"target": "pino/file", "options": {"destination": 2}},
            },
        )
    )
    own = config.service("api").logger
    assert own.redact == RedactConfig(paths=("b",))
    assert own.format == LineFormatConfig(timestamp=Timestamp.ISO, message_key="text")
    assert [(one.target, one.folder) for one in own.transports] == [("pino/file", app.path / "api")]
    assert [one.target for one in config.logger.transports] == ["pino-pretty"]


def test_exporter_leaves_the_output_as_it_is(app: Any) -> None:
    pytest.importorskip("opentelemetry.sdk")
    exporter = {"url": "http://127.0.0.1:4318/v1/logs"}
    targets = app.load(root({"openTelemetryExporter": exporter})).logger.transports
    assert [one.target for one in targets] == ["opentelemetry", "pino/file"]
    own = {"target": "pino-pretty"}
    targets = app.load(root({"openTelemetryExporter": exporter, "transport": own})).logger.transports
    assert [one.target for one in targets] == ["pino-pretty", "opentelemetry"]


@pytest.mark.parametrize(
    ("logger", "key", "told"),
    [
        ({"level": "loud"}, "logger.level", "trace"),
        ({"level": "loud", "customLevels": {"http": 35}}, "logger.level", "http"),
        ({"redact": ["a..b"]}, "logger.redact[0]", "user.password"),
        ({"redact": {"paths": ["a", "["]}}, "logger.redact.paths[1]", "user.password"),
        ({"redact": {"censor": "x"}}, "logger.redact.paths", ""),
        ({"formatters": {"path": "no.py"}}, "logger.formatters.path", "correct the path"),
        ({"transport": {"targets": [{"level": "info"}]}}, "logger.transport.targets[0].target", "missing"),
        ({"timestamp": "iso"}, "logger.timestamp", "isoTime"),
        ({"customLevels": {"http": 0}}, "logger.customLevels.http", "at least 1"),
        ({"transport": {"target": "pino-elasticsearch"}}, "logger.transport.target", "module:name"),
        ({"transport": {"targets": [{"target": "x"}]}}, "logger.transport.targets[0].target", "pino/file"),
        (
            {"transport": {"target": "pino/file", "options": {"file": "x"}}},
            "logger.transport.options.file",
            "destination",
        ),
        ({"transport": {"target": "pino-roll"}}, "logger.transport.options", "app.log"),
        ({"transport": {"target": "pino-pretty", "level": "x"}}, "logger.transport.level", "warn"),
        ({"transports": {}}, "logger.transports", "transport"),
        ({"openTelemetryExporter": {"protocol": "http"}}, "logger.openTelemetryExporter.url", ""),
        ({"history": {"maxFiles": 1}}, "logger.history.maxFiles", "at least 2"),
    ],
)
def test_mistakes_are_problems_with_their_key(app: Any, logger: dict[str, Any], key: str, told: str) -> None:
    problem = next(one for one in app.problems(root(logger)) if one.key == key)
    assert problem.file == "watt.json"
    assert told in f"{problem.message} {problem.hint}"
    in_service = "history" not in logger
    if in_service:
        assert key in [one.key for one in app.problems(root(None, logger)) if one.file == "api/watt.json"]


def test_option_without_effect_is_a_warning(app: Any) -> None:
    config = app.load(root({"transport": {"target": "pino-pretty", "options": {"translateTime": True}}}))
    assert any("translateTime" in warning for warning in config.warnings)
