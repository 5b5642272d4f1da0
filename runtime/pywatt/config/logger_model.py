"""The data of the block `logger`: what is written of a record, and where it goes."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any


class Timestamp(enum.StrEnum):
    """The form of a record's time in lines of JSON. Original: `logger.timestamp`."""

    EPOCH = "epochTime"
    """Milliseconds since the epoch."""
    UNIX = "unixTime"
    """Seconds since the epoch."""
    ISO = "isoTime"
    """ISO 8601 in UTC."""
    NONE = "nullTime"
    """No time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RedactConfig:
    """Values that are hidden. Original: `logger.redact`."""

    paths: tuple[str, ...]
    censor: str = "[redacted]"
    remove: bool = False
    """True: the keys are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LineFormatConfig:
    """The form of lines of JSON. The history has its own."""

    timestamp: Timestamp = Timestamp.EPOCH
    base: Mapping[str, Any] | None = None
    """Keys instead of `pid` and `hostname`; None: these two."""
    message_key: str = "msg"
    level_key: str = "level"
    time_key: str = "time"
    formatters: Path | None = None
    """A Python file with `bindings` and `level`, which change keys. Original: `logger.formatters.path`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rotation:
    """The size and age of log files."""

    max_size: int = 16 * 1024 * 1024
    """Bytes of all files together."""
    max_files: int = 4
    interval: float | None = None
    """Seconds after which a new file is begun, counted from midnight UTC; None: only its size counts."""


DEFAULT_ROTATION = Rotation()


@dataclass(frozen=True, slots=True, kw_only=True)
class TransportConfig:
    """A place that records are sent to. Original: an item of `logger.transport.targets`."""

    target: str
    """`pino/file`, `pino-roll`, `pino-pretty`, `opentelemetry`, or `module:function` of Python."""
    options: Mapping[str, Any] = field(default_factory=dict)
    level: int = 0
    """The least level."""
    rotation: Rotation | None = None
    """Of a file; None: it grows."""
    folder: Path = Path()
    """The folder of the file that names it: relative paths and modules begin there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LoggerConfig:
    """The settings of one service's records, or of pywatt's own."""

    threshold: int = 0
    """The least number of a level, where `logger.level` is a custom one."""
    redact: RedactConfig | None = None
    format: LineFormatConfig = LineFormatConfig()
    custom_levels: Mapping[str, int] = field(default_factory=dict)
    transports: tuple[TransportConfig, ...] = ()
    """None: the output of `pywatt start`."""
    capture_stdio: bool = True
    """False: text that is printed passes to the output of `pywatt start` as it is."""

    @property
    def plain(self) -> bool:
        """Return whether records are written as they are, to the output of `pywatt start`."""
        return self == PLAIN_LOGGER


PLAIN_LOGGER = LoggerConfig()
