from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from pywatt.config.logger_model import LineFormatConfig, Timestamp
from pywatt.config.model import LogLevel
from pywatt.errors import StartError
from pywatt.logs.formats.formatters import formatted_by
from pywatt.logs.formats.line_format import LineFormat, level_labels
from pywatt.logs.lines import LogRecord

RECORD = LogRecord(
    level=LogLevel.INFO, number=35, time=1700000000123, name="api", msg="hi\x7f", pid=7, worker=1, extra={"a": 1}
)


def render(config: LineFormatConfig, **options: Any) -> dict[str, Any]:
    line = LineFormat(config, "host", **options).render(RECORD)
    assert line.isprintable()
    found: dict[str, Any] = json.loads(line)
    return found


@pytest.mark.parametrize(
    ("timestamp", "time"),
    [
        (Timestamp.EPOCH, 1700000000123),
        (Timestamp.UNIX, 1700000000),
        (Timestamp.ISO, "2023-11-14T22:13:20.123Z"),
        (Timestamp.NONE, None),
    ],
)
def test_times(timestamp: Timestamp, time: object) -> None:
    assert render(LineFormatConfig(timestamp=timestamp)).get("time") == time


def test_base_and_names_of_keys() -> None:
    assert render(LineFormatConfig()) == {
        "level": 35,
        "time": 1700000000123,
        "pid": 7,
        "hostname": "host",
        "name": "api",
        "worker": 1,
        "msg": "hi\x7f",
        "a": 1,
    }
    config = LineFormatConfig(base={}, message_key="message", level_key="severity", time_key="at")
    assert list(render(config)) == ["severity", "at", "name", "worker", "message", "a"]
    assert render(LineFormatConfig(base={"env": "prod"}))["env"] == "prod"


def test_formatters_of_the_user(tmp_path: Path) -> None:
    file = tmp_path / "form.py"
    file.write_text(
        "print('not a result')\n"
        "def bindings(given): return {'process': given['pid'], 'on': given['hostname'], 'v': 2}\n"
        "def level(label, number): return {'severity': label.upper(), 'n': number}\n"
    )
    formatted = formatted_by(file, level_labels({"http": 35}), None)
    line = render(LineFormatConfig(), formatted=formatted)
    assert {key: line[key] for key in ("process", "on", "v", "severity", "n")} == {
        "process": 7,
        "on": "host",
        "v": 2,
        "severity": "HTTP",
        "n": 35,
    }
    assert {"pid", "level"}.isdisjoint(line)


@pytest.mark.parametrize(
    ("code", "told"), [("x = 1\n", "neither bindings nor level"), ("1/0\n", "ZeroDivisionError"), ("(", "SyntaxError")]
)
def test_formatters_that_fail_are_told(tmp_path: Path, code: str, told: str) -> None:
    file = tmp_path / "form.py"
    file.write_text(code)
    with pytest.raises(StartError, match=r"form\.py") as caught:
        formatted_by(file, {}, None)
    assert told in caught.value.message
    assert "logger.formatters" in caught.value.hint
