"""Levels of a service's lines that carry no pino level."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest
from harness.app import Start
from harness.terminal import Outcome

Run = Callable[..., Outcome]

PROGRAM = """
import signal, sys, time
for line in ("[I 2026-01-01 10:00:00.123 ServerApp] Jupyter is running", "INFO:     uvicorn is running",
             "[2026-01-01 10:00:00,123: WARNING/MainProcess] celery", "something else", "ValueError: told"):
    print(line, file=sys.stderr, flush=True)
print("10:00:00.123 [main] ERROR com.x.Y - failed", flush=True)
time.sleep(3600)
"""


@pytest.mark.parametrize(
    ("logger", "level"),
    [({}, 50), ({"logger": {"stderrLevel": "info"}}, 30), ({"logger": {"stderrLevel": "warn"}}, 40)],
)
def test_standard_error_means_what_is_set_for_it_where_a_line_names_no_level(
    start: Start, logger: dict[str, Any], level: int
) -> None:
    files: dict[str, str | dict[str, Any]] = {
        "watt.json": {"services": [{"id": "odd", "path": "odd"}]},
        "odd/watt.json": {
            "type": "command",
            "command": {"run": [sys.executable, "program.py"], "http": False},
            **logger,
        },
        "odd/program.py": PROGRAM,
    }
    with start(files) as app:
        found = {
            text: app.wait_for_text(text)["level"]
            for text in ("Jupyter", "uvicorn", "celery", "something else", "ValueError", "com.x.Y")
        }
        assert app.stop() == 0
    assert found == {
        "Jupyter": 30,
        "uvicorn": 30,
        "celery": 40,
        "something else": level,
        "ValueError": 50,
        "com.x.Y": 50,
    }


def test_a_stack_that_was_asked_for_is_no_error(start: Start, run: Run) -> None:
    program = "async def app(scope, receive, send):\n    pass\n"
    with start({"watt.json": {"services": [{"id": "api", "path": "api"}]}, "api/main.py": program}) as app:
        app.wait_for_text('the service "api"')
        assert run("stack", "api").status == 0
        assert app.wait_for_text("(most recent call first)")["level"] == 30
        assert app.stop() == 0
