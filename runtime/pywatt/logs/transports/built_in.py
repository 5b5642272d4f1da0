"""The names of the transports that pywatt brings, and their options; the names are pino's."""

from __future__ import annotations

from collections.abc import Mapping

FILE, ROLL, PRETTY, OPENTELEMETRY = "pino/file", "pino-roll", "pino-pretty", "opentelemetry"
_ROTATION = frozenset({"maxSize", "maxFiles", "interval"})
BUILT_IN: Mapping[str, frozenset[str]] = {
    FILE: frozenset({"destination", "mkdir", "append"}) | _ROTATION,
    ROLL: frozenset({"file", "size", "frequency", "limit", "mkdir"}),
    PRETTY: frozenset({"destination", "colorize", "mkdir", "append"}),
    OPENTELEMETRY: frozenset({"protocol", "url", "headers"}),
}
