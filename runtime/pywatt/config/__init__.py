"""The app's configuration: `load` reads the files and gives a frozen `RuntimeConfig`."""

from __future__ import annotations

from pywatt.config.model import (
    LogLevel,
    RestartConfig,
    RestartPolicy,
    RuntimeConfig,
    ServerConfig,
    ServiceConfig,
    ShutdownConfig,
)
from pywatt.config.pipeline import load

__all__ = [
    "LogLevel",
    "RestartConfig",
    "RestartPolicy",
    "RuntimeConfig",
    "ServerConfig",
    "ServiceConfig",
    "ShutdownConfig",
    "load",
]
