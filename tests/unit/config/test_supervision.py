"""Supervision settings: restarts, limits, probes and numbers, in the root file, a service's file and its entry."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pywatt_schemas
from pywatt.config.model import (
    HealthConfig,
    ProbeConfig,
    ProbesConfig,
    RestartConfig,
    RestartPolicy,
    ScalingConfig,
    Signal,
    Threshold,
)
from pywatt.config.sizes import SIZE, size_in_bytes
from pywatt.config.supervision import THRESHOLDS
from pywatt.errors import ConfigError

API = {"id": "api", "path": "api"}
FILES = {"api/app.py": "", "b/app.py": ""}
MEGABYTE = 1024 * 1024


def root(*services: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"watt.json": {"web": list(services or (API,)), **keys}, **FILES}


def problems(app: Any, files: dict[str, Any]) -> list[str]:
    with pytest.raises(ConfigError) as caught:
        app.load(files)
    return [f"{problem.key}: {problem.message}" for problem in caught.value.problems]


def test_defaults(app: Any) -> None:
    api = app.load(root()).service("api")
    assert (api.watchdog, api.max_memory, api.health, api.probes) == (30.0, None, HealthConfig(), ProbesConfig())
    assert app.load({}, production=False).service("api").watchdog == 60.0


def test_restart_block(app: Any) -> None:
    block = {"policy": "transient", "intensity": 2, "period": 1500, "maxDelay": "250"}
    config = app.load(root({**API, "restart": block}))
    assert config.service("api").restart == RestartConfig(
        policy=RestartPolicy.TRANSIENT, intensity=2, period=1.5, longest_delay=0.25
    )


def test_what_a_service_says_of_restarts_goes_over_what_the_root_file_says(app: Any) -> None:
    files = root(
        {**API, "restart": {"intensity": 1}},
        {"id": "b", "path": "b", "restartOnError": True},
        restart={"policy": "transient", "intensity": 9, "period": 1000},
        restartOnError=False,
    )
    config = app.load(files)
    api, b = config.service("api").restart, config.service("b").restart
    assert (api.policy, api.intensity, api.period) == (RestartPolicy.TRANSIENT, 1, 1.0)
    assert (b.policy, b.intensity) == (RestartPolicy.PERMANENT, 9)


@pytest.mark.parametrize(
    ("value", "seconds"), [(False, None), (True, 30.0), ({}, 30.0), ({"timeout": 1500}, 1.5), ("false", None)]
)
def test_watchdog(app: Any, value: Any, seconds: float | None) -> None:
    assert app.load(root(watchdog=value)).service("api").watchdog == seconds


@pytest.mark.parametrize(
    ("value", "size"),
    [("512MB", 512 * MEGABYTE), ("1.5 GiB", 1536 * MEGABYTE), ("2k", 2048), (4096, 4096), ("4096", 4096), ("1B", 1)],
)
def test_memory_limit(app: Any, value: Any, size: int) -> None:
    assert app.load(root(maxMemory=value)).service("api").max_memory == size


@given(st.text(max_size=12))
def test_a_size_is_read_or_refused(text: str) -> None:
    if SIZE.fullmatch(text):
        assert (size_in_bytes(text) or 0) >= 0
    else:
        with pytest.raises(ValueError, match="not an amount of memory"):
            size_in_bytes(text)


def test_a_size_that_is_none_is_refused(app: Any) -> None:
    assert problems(app, root(maxMemory="much")) == [
        'maxMemory: must be an amount of memory such as "512MB", or a number of bytes, found "much"'
    ]


def test_probes_in_a_services_own_file_and_in_the_root_file(app: Any) -> None:
    files = {
        **root(API, {"id": "b", "path": "b"}, probes={"liveness": {"http": "/live"}}),
        "api/watt.json": {
            "type": "python",
            "probes": {
                "startup": {"hook": "app:started"},
                "readiness": {
                    "http": "/ready",
                    "interval": 100,
                    "timeout": 50,
                    "failureThreshold": 2,
                    "successThreshold": 4,
                    "initialDelay": 10,
                },
                "liveness": False,
            },
        },
    }
    config = app.load(files)
    assert config.warnings == ()
    assert config.service("api").probes == ProbesConfig(
        startup=ProbeConfig(hook="app:started", interval=0.5, failure_threshold=60),
        readiness=ProbeConfig(
            http="/ready", interval=0.1, timeout=0.05, failure_threshold=2, success_threshold=4, initial_delay=0.01
        ),
    )
    assert config.service("b").probes == ProbesConfig(liveness=ProbeConfig(http="/live", interval=10.0))


@pytest.mark.parametrize("probe", [{}, {"http": "/", "command": ["true"]}])
def test_a_probe_asks_in_one_way(app: Any, probe: dict[str, Any]) -> None:
    files = {**root(probes={"startup": probe}), "api/watt.json": {"type": "python", "probes": {"readiness": probe}}}
    assert problems(app, files) == [
        "probes.startup: a probe asks by http, by a command or by a hook",
        "probes.readiness: a probe asks by http, by a command or by a hook",
    ]


def test_a_service_that_can_never_be_ready_is_named_with_those_that_wait_for_it(app: Any) -> None:
    files = root(
        {**API, "dependencies": ["b"]},
        {"id": "b", "path": "b", "probes": {"readiness": {"http": "/", "initialDelay": 40_000}}},
    )
    assert app.load(files).warnings == (
        (
            'watt.json: the service "b" can never be ready: its probes begin after startTimeout (30 s); '
            '"api" would wait for it in vain'
        ),
    )


def test_health_of_the_original(app: Any) -> None:
    block = {
        "interval": 2000,
        "gracePeriod": 0,
        "maxUnhealthyChecks": 3,
        "maxELU": 0.9,
        "maxEventLoopDelay": 250,
        "maxHeapTotal": "1GB",
        "maxHeapUsed": 0.5,
        "codeRangeSize": 1,
    }
    config = app.load(root({**API, "health": {"maxELU": 0.8}}, {"id": "b", "path": "b"}, health=block))
    assert config.service("api").health == HealthConfig(
        interval=2.0, grace_period=0.0, max_unhealthy_checks=3, max_loop_delay=0.25, max_cpu=0.8
    )
    assert config.service("b").max_memory == 512 * MEGABYTE
    assert config.warnings == ("watt.json: health.codeRangeSize is not supported yet and does nothing",)
    off = app.load(root({**API, "health": {"enabled": False}}, health=block, maxMemory=7)).service("api")
    assert (off.health, off.max_memory) == (HealthConfig(), 7)


def test_dynamic_workers(app: Any) -> None:
    files = root(
        {**API, "workers": {"minimum": 4, "maximum": 2}},
        {"id": "b", "path": "b", "workers": 3},
        workers={
            "dynamic": True,
            "static": 9,
            "total": 12,
            "maxMemory": "2GB",
            "cooldown": 1000,
            "gracePeriod": 0,
            "scaleUpELU": 0.7,
        },
    )
    config = app.load(files)
    assert (config.total_workers, config.total_memory) == (12, 2048 * MEGABYTE)
    api, b = config.service("api"), config.service("b")
    assert (api.workers, b.workers, b.scaling) == (4, 3, None)
    assert api.scaling == ScalingConfig(
        minimum=2, maximum=4, cooldown=1.0, grace_period=0.0, signals={Signal.CPU: Threshold(up=0.7, down=0.2)}
    )
    assert app.load({}, production=False).service("api").scaling is None


@pytest.mark.parametrize(
    ("named", "signals"),
    [
        ("waiting", {Signal.WAITING: THRESHOLDS[Signal.WAITING]}),
        (["cpu", "kafkaLag"], {signal: THRESHOLDS[signal] for signal in (Signal.CPU, Signal.KAFKA_LAG)}),
        ({"loopDelay": {"up": 50}}, {Signal.LOOP_DELAY: Threshold(up=50, down=20)}),
    ],
)
def test_what_the_number_of_workers_follows(app: Any, named: Any, signals: dict[Signal, Threshold]) -> None:
    scaling = app.load(root({**API, "workers": {"dynamic": True, "scaleOn": named}})).service("api").scaling
    assert scaling is not None
    assert scaling.signals == signals


def test_bounds_that_contradict_each_other_are_refused(app: Any) -> None:
    files = root({**API, "workers": {"dynamic": True, "scaleOn": {"waiting": {"up": 1, "down": 1}}}})
    assert problems(app, files) == ["web[0].workers: waiting takes a worker away at 1 and adds one at 1"]


def test_both_schemas_say_the_same(app: Any) -> None:
    everywhere, own = pywatt_schemas.load("runtime")["$defs"], pywatt_schemas.load("service")["$defs"]
    for name in ("size", "restart", "maxMemory", "watchdog", "probes", "probe"):
        assert everywhere[name] == own[name]
