"""What the root file says about the app as a whole, with defaults filled in and the `runtime` block hoisted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.config.declared import worker_count
from pywatt.config.environment import as_variables
from pywatt.config.model import LogLevel, RestartConfig, RestartPolicy, ServerConfig, ShutdownConfig

MILLISECONDS = 1000
"""Per second: the files say milliseconds, the model says seconds."""
LONGEST_DELAY = 300.0
DEVELOPMENT_DELAY = 15.0
"""Seconds between two starts of a worker that fails again and again, in production and in development."""
IMMEDIATE_RESTART = 10
"""Milliseconds below which a restart is immediate. Original: the same."""
START_TIMEOUT = 30_000
RUNTIME_SHUTDOWN = 30_000
SERVICE_SHUTDOWN = 10_000
"""Milliseconds. Original: `startTimeout`, `gracefulShutdown.runtime`, `gracefulShutdown.application`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app-wide part of the configuration."""

    server: ServerConfig
    log_level: LogLevel
    base_path: str
    start_timeout: float | None
    shutdown: ShutdownConfig
    restart: bool | int
    workers: int
    env: Mapping[str, str]


def settings_of(data: Mapping[str, Any]) -> Settings:
    """Return the settings in a root document that passed its schema."""
    flat = hoisted(data)
    server: Mapping[str, Any] = flat.get("server", {})
    stop: Mapping[str, Any] = flat.get("gracefulShutdown", {})
    start_timeout = flat.get("startTimeout", START_TIMEOUT)
    defaults = ServerConfig()
    return Settings(
        server=ServerConfig(
            hostname=server.get("hostname", defaults.hostname),
            port=server.get("port", defaults.port),
            backlog=server.get("backlog", defaults.backlog),
        ),
        log_level=log_level(flat) or LogLevel.INFO,
        base_path="/" + flat.get("basePath", "").strip("/"),
        start_timeout=start_timeout / MILLISECONDS if start_timeout else None,
        shutdown=ShutdownConfig(
            runtime=stop.get("runtime", RUNTIME_SHUTDOWN) / MILLISECONDS,
            service=stop.get("application", SERVICE_SHUTDOWN) / MILLISECONDS,
        ),
        restart=flat.get("restartOnError", True),
        workers=worker_count(flat.get("workers")) or 1,
        env=as_variables(flat.get("env", {})),
    )


def hoisted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the keys of its `runtime` block at the top, where a key that is there already wins."""
    flat = {name: value for name, value in data.items() if name != "runtime"}
    return _merged(data.get("runtime", {}), flat)


def log_level(data: Mapping[str, Any]) -> LogLevel | None:
    """Return the level in a document's `logger` block, or None."""
    level = data.get("logger", {}).get("level")
    return LogLevel[level.upper()] if level else None


def restart_config(value: bool | int, *, production: bool) -> RestartConfig:
    """Return what `restartOnError` means: a number is a pause, which counts in development only, as in the original."""
    if not value:
        return RestartConfig(policy=RestartPolicy.TEMPORARY)
    waits = value is not True and not production and value >= IMMEDIATE_RESTART
    return RestartConfig(
        delay=value / MILLISECONDS if waits else 0.0, longest_delay=LONGEST_DELAY if production else DEVELOPMENT_DELAY
    )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
