"""Reads the app-wide settings of the root file, with defaults and with the `runtime` block hoisted."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pywatt.config.dashboard_model import DashboardConfig
from pywatt.config.environment import as_variables
from pywatt.config.health_probes import health_probes_config
from pywatt.config.https_settings import https_config
from pywatt.config.logger_model import LoggerConfig, Rotation
from pywatt.config.logger_settings import logger_config, nearest_log_level, rotation
from pywatt.config.metrics_model import MetricsConfig, metrics_config
from pywatt.config.model import (
    DEFAULT_SHUTDOWN,
    HealthProbesConfig,
    LogLevel,
    ServerConfig,
    ShutdownConfig,
    WatchConfig,
)
from pywatt.config.supervision import MILLISECONDS, Layer, layer_of

START_TIMEOUT = 30_000
"""Milliseconds. Original: `startTimeout`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The app-wide part of the configuration."""

    server: ServerConfig
    log_level: LogLevel
    stderr_level: LogLevel
    logger: LoggerConfig
    log_history: Rotation | None
    health_probes: HealthProbesConfig | None
    base_path: str
    start_timeout: float | None
    shutdown: ShutdownConfig
    supervision: Layer
    dashboard: DashboardConfig
    repl: bool
    watch: bool
    env: Mapping[str, str]
    metrics: MetricsConfig | None
    telemetry: Mapping[str, Any] | None
    """The block of the root file; None: it has none."""


def settings_of(data: Mapping[str, Any], folder: Path, *, production: bool = True) -> Settings:
    """Return the settings in a root document that passed its schema. `folder`: that of its file."""
    flat = hoisted(data)
    server: Mapping[str, Any] = flat.get("server", {})
    stop: Mapping[str, Any] = flat.get("gracefulShutdown", {})
    start_timeout = flat.get("startTimeout", START_TIMEOUT)
    defaults = ServerConfig()
    metrics = metrics_config(flat.get("metrics", False))
    return Settings(
        server=ServerConfig(
            hostname=server.get("hostname", defaults.hostname),
            port=server.get("port", defaults.port),
            backlog=server.get("backlog", defaults.backlog),
            https=https_config(server.get("https"), folder),
            http2=server.get("http2", defaults.http2),
            redirect_from=(server.get("https") or {}).get("redirectFrom"),
        ),
        log_level=log_level(flat) or LogLevel.INFO,
        stderr_level=log_level(flat, "stderrLevel") or LogLevel.ERROR,
        logger=logger_config(flat.get("logger", {}), folder),
        log_history=rotation(flat.get("logger", {}).get("history", True)),
        health_probes=health_probes_config(
            flat.get("healthProbes"), metrics=metrics, endpoints=flat.get("metrics"), production=production
        ),
        base_path="/" + flat.get("basePath", "").strip("/"),
        start_timeout=start_timeout / MILLISECONDS if start_timeout else None,
        shutdown=ShutdownConfig(
            runtime=_seconds(stop, "runtime", DEFAULT_SHUTDOWN.runtime),
            service=_seconds(stop, "application", DEFAULT_SHUTDOWN.service),
            drain=_seconds(stop, "drain", DEFAULT_SHUTDOWN.drain),
        ),
        supervision=layer_of(flat),
        dashboard=dashboard_config(flat.get("dashboard")),
        repl=flat.get("repl", False),
        watch=flat.get("watch", True),
        env=as_variables(flat.get("env", {})),
        metrics=metrics,
        telemetry=flat.get("telemetry"),
    )


def _seconds(block: Mapping[str, Any], key: str, default: float) -> float:
    """Return a time that a block gives in milliseconds."""
    return block[key] / MILLISECONDS if key in block else default


def hoisted(data: Mapping[str, Any]) -> dict[str, Any]:
    """Return the document with the keys of its `runtime` block moved to the top; existing keys take precedence."""
    flat = {name: value for name, value in data.items() if name != "runtime"}
    return _merged(data.get("runtime", {}), flat)


def log_level(data: Mapping[str, Any], key: str = "level", custom: Mapping[str, int] | None = None) -> LogLevel | None:
    """Return a level in a document's `logger` block, or None; `custom`: levels of the root file."""
    block = data.get("logger", {})
    level = block.get(key)
    return nearest_log_level(level, {**(custom or {}), **block.get("customLevels", {})}) if level else None


def watch_config(data: Mapping[str, Any], *, app_wide: bool) -> WatchConfig:
    """Return the `watch` settings of a service's document; the root file can turn watching off for all services."""
    watch = data.get("watch", True)
    if isinstance(watch, bool):
        return WatchConfig(enabled=watch and app_wide)
    return WatchConfig(
        enabled=watch.get("enabled", True) and app_wide,
        allow=tuple(watch.get("allow", ())),
        ignore=tuple(watch.get("ignore", ())),
    )


def dashboard_config(value: bool | Mapping[str, Any] | None) -> DashboardConfig:
    """Return the settings of the key `dashboard`, None where the file does not have it."""
    if not isinstance(value, Mapping):
        return DashboardConfig(enabled=value)
    defaults = DashboardConfig()
    return DashboardConfig(
        enabled=value.get("enabled", True),
        hostname=value.get("hostname", defaults.hostname),
        port=value.get("port", defaults.port),
        token=value.get("token"),
        read_only=value.get("readOnly", defaults.read_only),
        allowed_hosts=tuple(value.get("allowedHosts", ())),
    )


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    result = dict(below)
    for name, value in above.items():
        old = result.get(name)
        result[name] = _merged(old, value) if isinstance(old, dict) and isinstance(value, dict) else value
    return result
