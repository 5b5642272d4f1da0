"""The way of each record where services have settings of their own: what is hidden, its form, and where it goes.

An app without such settings has no routing: its records are written as they are.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

from pywatt.config.logger_model import PLAIN_LOGGER, LoggerConfig, TransportConfig
from pywatt.logs.batch_writer import BatchWriter
from pywatt.logs.formats.formatters import Formatted, formatted_by
from pywatt.logs.formats.line_format import LineFormat, level_labels
from pywatt.logs.formats.redaction import Redaction
from pywatt.logs.lines import LogRecord
from pywatt.logs.transports.opened import OpenTransport, Tell, open_transport

Render = Callable[[LogRecord], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerSettings:
    """The settings of all records of an app."""

    own: LoggerConfig = PLAIN_LOGGER
    """Of pywatt's own records, and of services that are not listed."""
    services: Mapping[str, LoggerConfig]

    @property
    def plain(self) -> bool:
        """Return whether no record needs a routing."""
        return self.own.plain and all(config.plain for config in self.services.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Route:
    """The way of one service's records."""

    threshold: int
    redaction: Redaction | None
    render: Render | None
    """The form of a line of JSON; None: pywatt's."""
    transports: tuple[OpenTransport, ...]
    """None: the output of `pywatt start`."""


def _close(patience: float, transport: OpenTransport) -> int:
    """Close a transport; return the number of lines that it has not taken."""
    lost = transport.writer.close(patience)
    transport.close(0.0 if lost else patience)
    return lost


class Routing:
    """The ways of an app's records."""

    def __init__(self, settings: LoggerSettings, hostname: str, tell: Tell) -> None:
        """Open the transports. `tell` logs what one of them meets. Raises StartError for formatters that fail."""
        self._hostname = hostname
        self._tell = tell
        self._formatted: dict[tuple[object, ...], Formatted] = {}
        self._opened: list[OpenTransport] = []
        try:
            self._own = self._route(settings.own)
            self._routes = {name: self._route(config) for name, config in settings.services.items()}
        except BaseException:
            self.close(0.0)
            raise
        self.labels = {
            number: name
            for config in (settings.own, *settings.services.values())
            for name, number in config.custom_levels.items()
        }
        """The names of custom levels."""

    @property
    def writers(self) -> list[BatchWriter]:
        """The writers of all transports."""
        return [transport.writer for transport in self._opened]

    def of(self, record: LogRecord) -> Route:
        """Return the way of a record."""
        return self._routes.get(record.name, self._own)

    def close(self, patience: float) -> None:
        """Pass on the rest, for at most `patience` seconds without progress; report lost lines on standard error."""
        if not self._opened:
            return
        with ThreadPoolExecutor(len(self._opened)) as pool:  # those that take nothing are waited for together
            for transport, lost in zip(self._opened, pool.map(partial(_close, patience), self._opened), strict=True):
                if lost:
                    sys.stderr.write(f"{lost} lines were not passed to the transport {transport.name}\n")

    def _route(self, config: LoggerConfig) -> Route:
        labels = level_labels(config.custom_levels)
        formatting = config.format
        render: Render | None = None
        if formatting != PLAIN_LOGGER.format:
            formatted = None
            if formatting.formatters is not None:
                key = (formatting.formatters, tuple(labels.items()), repr(formatting.base))
                if key not in self._formatted:
                    self._formatted[key] = formatted_by(formatting.formatters, labels, formatting.base)
                formatted = self._formatted[key]
            render = LineFormat(formatting, self._hostname, formatted).render
        return Route(
            threshold=config.threshold,
            redaction=Redaction(config.redact) if config.redact is not None else None,
            render=render,
            transports=tuple(self._transport(each, labels) for each in config.transports),
        )

    def _transport(self, config: TransportConfig, labels: Mapping[int, str]) -> OpenTransport:
        for known in self._opened:
            if known.config == config:
                return known  # services that have the root file's share it
        opened = open_transport(config, labels, self._hostname, self._tell)
        self._opened.append(opened)
        return opened
