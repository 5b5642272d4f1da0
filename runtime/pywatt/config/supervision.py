"""Reads the supervision keys: number of workers, restarts, limits, probes.

The same keys may stand in the root file for all services, in a service's own file, and in its entry of the root file:
a layer each, of which a later one wins.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath
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
from pywatt.config.sizes import size_in_bytes

Layer: TypeAlias = Mapping[str, Any]

KEYS = ("beforeStart", "health", "maxMemory", "probes", "restart", "restartOnError", "watchdog", "workers")
MILLISECONDS = 1000
"""Per second: the files have milliseconds, the model has seconds."""
LONGEST_DELAY = 300.0
DEVELOPMENT_DELAY = 15.0
"""Longest delay in seconds between two starts of a worker that keeps failing, in production and in development."""
IMMEDIATE_RESTART = 10
"""Milliseconds below which a restart is immediate. Original: the same."""
WATCHDOG = 30.0
DEVELOPMENT_WATCHDOG = 60.0
"""Seconds without a heartbeat, in production and in development."""

STARTUP = ProbeConfig(interval=0.5, failure_threshold=60)
LIVENESS = ProbeConfig(interval=10.0)
READINESS = ProbeConfig(interval=5.0)

THRESHOLDS: Mapping[Signal, Threshold] = {
    Signal.CPU: Threshold(up=0.8, down=0.2),
    Signal.LOOP_DELAY: Threshold(up=100, down=20),
    Signal.WAITING: Threshold(up=20, down=2),
    Signal.KAFKA_LAG: Threshold(up=1000, down=100),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Supervision:
    """The merged supervision settings of one service."""

    workers: int
    scaling: ScalingConfig | None
    restart: RestartConfig
    watchdog: float | None
    max_memory: int | None
    health: HealthConfig
    probes: ProbesConfig
    before_start: tuple[tuple[str, ...], ...]


def layer_of(data: Mapping[str, Any]) -> Layer:
    """Return the supervision keys of a document or an entry."""
    return {name: data[name] for name in KEYS if data.get(name) is not None}


def check_layer(layer: Layer, document: Document, above: KeyPath, diagnostics: Diagnostics) -> None:
    """Report contradictions in a layer; `above` is the key path of the layer in its document."""
    for name, probe in layer.get("probes", {}).items():
        if isinstance(probe, dict) and len({"http", "command", "hook"} & probe.keys()) != 1:
            hint = 'either "http": "/path", or "command": ["program", "argument"], or "hook": "module:function"'
            diagnostics.problem(
                document, (*above, "probes", name), "a probe asks by http, by a command or by a hook", hint
            )
    for number, command in enumerate(layer.get("beforeStart", ())):
        try:
            words = _words(command)
        except ValueError as error:
            diagnostics.problem(document, (*above, "beforeStart", number), f"this command cannot be split: {error}")
            continue
        if not words:
            diagnostics.problem(document, (*above, "beforeStart", number), "this command has no words")
    for signal, threshold in _signals(_merged(layer, "workers")).items():
        if threshold.down >= threshold.up:
            message = f"{signal} takes a worker away at {threshold.down:g} and adds one at {threshold.up:g}"
            diagnostics.problem(document, (*above, "workers"), message, "the bound for down must be the lower one")


def supervision_of(layers: Iterable[Layer], *, production: bool) -> Supervision:
    """Return the merged layers, a later one winning; in development a service has one worker, as in the original."""
    below_first = list(layers)
    whole: dict[str, Any] = {}
    for layer in below_first:
        for name in layer:
            whole[name] = _merged(layer, name, whole.get(name))
    workers = whole.get("workers", {}) if production else {}
    scaling = _scaling(workers) if workers.get("dynamic") else None
    count = workers.get("static", 1)
    if scaling is not None:
        count = max(scaling.minimum, min(count, scaling.maximum or count))
    health = whole.get("health", {})
    healthy = health if health.get("enabled", True) else {}
    return Supervision(
        workers=count,
        scaling=scaling,
        restart=restart_of(below_first, production=production),
        watchdog=_watchdog(whole.get("watchdog", True), production=production),
        max_memory=_max_memory(whole, healthy),
        health=_health(healthy),
        probes=_probes(whole.get("probes", {})),
        before_start=_commands(whole.get("beforeStart", ())),
    )


def total_memory(layer: Layer) -> int | None:
    """Return the memory limit of all services together: `workers.maxMemory` of the root file, in bytes."""
    return size_in_bytes(_merged(layer, "workers").get("maxMemory"))


def total_workers(layer: Layer) -> int | None:
    """Return the worker limit of all services together: `workers.total` of the root file."""
    total: int | None = _merged(layer, "workers").get("total")
    return total


def restart_of(layers: Iterable[Layer], *, production: bool) -> RestartConfig:
    """Return the restart policy. A number in `restartOnError` is a pause, in development only, as in the original."""
    config = RestartConfig(longest_delay=LONGEST_DELAY if production else DEVELOPMENT_DELAY)
    for layer in layers:
        on_error = layer.get("restartOnError")
        if on_error is not None:
            waits = on_error is not True and not production and on_error >= IMMEDIATE_RESTART
            config = replace(
                config,
                policy=RestartPolicy.PERMANENT if on_error else RestartPolicy.TEMPORARY,
                delay=on_error / MILLISECONDS if waits else 0.0,
            )
        block = layer.get("restart", {})
        config = replace(config, **{field: read(block[key]) for key, (field, read) in _RESTART.items() if key in block})
    return config


def _seconds(milliseconds: float) -> float:
    return milliseconds / MILLISECONDS


_RESTART: Mapping[str, tuple[str, Callable[[Any], Any]]] = {
    "policy": ("policy", RestartPolicy),
    "intensity": ("intensity", int),
    "period": ("period", _seconds),
    "maxDelay": ("longest_delay", _seconds),
}


def _merged(layer: Layer, name: str, below: Any = None) -> Any:
    """Return a layer's value over the one below: key by key where both are objects.

    A plain number of workers is an object too: one that does not scale.
    """
    value = layer.get(name)
    if name == "workers":
        value = {"static": int(value), "dynamic": False} if isinstance(value, (int, str)) else value or {}
    return {**below, **value} if isinstance(below, dict) and isinstance(value, dict) else value


def _words(command: str | list[str]) -> tuple[str, ...]:
    return tuple(shlex.split(command) if isinstance(command, str) else command)


def _commands(commands: Iterable[str | list[str]]) -> tuple[tuple[str, ...], ...]:
    try:
        return tuple(_words(command) for command in commands)
    except ValueError:
        return ()  # `check_layer` has reported it


def _watchdog(value: bool | Mapping[str, Any], *, production: bool) -> float | None:
    default = WATCHDOG if production else DEVELOPMENT_WATCHDOG
    if isinstance(value, bool):
        return default if value else None
    return _seconds(value["timeout"]) if "timeout" in value else default


def _max_memory(whole: Layer, health: Mapping[str, Any]) -> int | None:
    if "maxMemory" in whole:
        return size_in_bytes(whole["maxMemory"])
    heap = size_in_bytes(health.get("maxHeapTotal"))
    return int(heap * health.get("maxHeapUsed", 1)) if heap is not None else None


def _health(block: Mapping[str, Any]) -> HealthConfig:
    defaults = HealthConfig()
    delay = block.get("maxEventLoopDelay")
    return HealthConfig(
        interval=_seconds(block["interval"]) if "interval" in block else defaults.interval,
        grace_period=_seconds(block["gracePeriod"]) if "gracePeriod" in block else defaults.grace_period,
        max_unhealthy_checks=block.get("maxUnhealthyChecks", defaults.max_unhealthy_checks),
        max_loop_delay=_seconds(delay) if delay is not None else None,
        max_cpu=block.get("maxELU"),
    )


def _probes(block: Mapping[str, Any]) -> ProbesConfig:
    return ProbesConfig(
        startup=_probe(block.get("startup"), STARTUP),
        liveness=_probe(block.get("liveness"), LIVENESS),
        readiness=_probe(block.get("readiness"), READINESS),
    )


def _probe(block: Mapping[str, Any] | bool | None, defaults: ProbeConfig) -> ProbeConfig | None:
    if not isinstance(block, Mapping):
        return None
    return ProbeConfig(
        http=block.get("http"),
        command=tuple(block.get("command", ())),
        hook=block.get("hook"),
        interval=_seconds(block["interval"]) if "interval" in block else defaults.interval,
        timeout=_seconds(block["timeout"]) if "timeout" in block else defaults.timeout,
        failure_threshold=block.get("failureThreshold", defaults.failure_threshold),
        success_threshold=block.get("successThreshold", defaults.success_threshold),
        initial_delay=_seconds(block.get("initialDelay", 0)),
    )


def _scaling(block: Mapping[str, Any]) -> ScalingConfig:
    minimum, maximum = block.get("minimum", 1), block.get("maximum")
    if maximum is not None and maximum < minimum:
        minimum, maximum = maximum, minimum  # Original: the same.
    defaults = ScalingConfig(minimum=1)
    return ScalingConfig(
        minimum=minimum,
        maximum=maximum,
        cooldown=_seconds(block["cooldown"]) if "cooldown" in block else defaults.cooldown,
        grace_period=_seconds(block["gracePeriod"]) if "gracePeriod" in block else defaults.grace_period,
        signals=_signals(block),
    )


def _signals(block: Mapping[str, Any]) -> dict[Signal, Threshold]:
    named = block.get("scaleOn", Signal.CPU.value)
    if isinstance(named, str):
        named = [named]
    wanted: Mapping[str, Any] = named if isinstance(named, dict) else {name: {} for name in named}
    signals = {}
    for name, bounds in wanted.items():
        signal = Signal(name)
        default = THRESHOLDS[signal]
        if signal is Signal.CPU:
            default = Threshold(up=block.get("scaleUpELU", default.up), down=block.get("scaleDownELU", default.down))
        signals[signal] = Threshold(up=bounds.get("up", default.up), down=bounds.get("down", default.down))
    return signals
