"""A worker's answers to heartbeats and to probes that call a function of the application."""

from __future__ import annotations

import logging
import sys
import types
from collections.abc import Iterator
from typing import Any

import pytest

from pywatt.channel.messages import Ping, Pong
from pywatt.worker.heartbeat import Heartbeat
from pywatt.worker.probe_function import call_probe_function

pytestmark = pytest.mark.anyio


@pytest.fixture
def application() -> Iterator[types.ModuleType]:
    """A module that contains the hooks."""
    module = types.ModuleType("application_of_hooks")
    sys.modules[module.__name__] = module
    yield module
    del sys.modules[module.__name__]


def test_the_answer_tells_how_long_the_ping_had_to_wait() -> None:
    assert Heartbeat(clock=lambda: 12.5).answer(Ping(10.0)) == Pong(2.5)
    assert Heartbeat(clock=lambda: 9.0).answer(Ping(10.0)) == Pong(0.0)


def test_gauges_are_read_at_each_answer(caplog: pytest.LogCaptureFixture) -> None:
    waiting = [1, 2]
    heartbeat = Heartbeat(clock=lambda: 0.0)
    heartbeat.gauge("waiting", waiting.pop)
    assert heartbeat.answer(Ping(0)).gauges == {"waiting": 2.0}
    assert heartbeat.answer(Ping(0)).gauges == {"waiting": 1.0}
    with caplog.at_level(logging.ERROR):
        assert heartbeat.answer(Ping(0)).gauges == {}
    assert "waiting cannot be measured, and is not any more" in caplog.text
    assert heartbeat.answer(Ping(0)) == Pong(0.0)


async def later() -> dict[str, Any]:
    return {"status": False, "body": "the cache is cold"}


def raising() -> None:
    raise ConnectionError("no database")


@pytest.mark.parametrize(
    ("hook", "problem"),
    [
        (lambda: True, ""),
        (lambda: None, ""),
        (lambda: {"status": True}, ""),
        (lambda: False, "returned False"),
        (lambda: {"status": False}, "status is false"),
        (later, "the cache is cold"),
        (raising, "ConnectionError: no database"),
    ],
)
async def test_hooks(application: types.ModuleType, hook: Any, problem: str) -> None:
    application.__dict__["state"] = types.SimpleNamespace(healthy=hook)
    assert (await call_probe_function("application_of_hooks:state.healthy")).problem.endswith(problem)
    assert bool((await call_probe_function("application_of_hooks:state.healthy")).problem) is bool(problem)


async def test_a_hook_that_is_not_there() -> None:
    assert "ModuleNotFoundError" in (await call_probe_function("no_such_module_at_all:hook")).problem
