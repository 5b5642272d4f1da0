"""Reads the block `logger` of the root file and of services; keys of a service win over those of the root file."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.diagnostics.hints import suggest
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath
from pywatt.config.logger_model import (
    PLAIN_LOGGER,
    LineFormatConfig,
    LoggerConfig,
    RedactConfig,
    Rotation,
    Timestamp,
    TransportConfig,
)
from pywatt.config.model import LogLevel
from pywatt.config.supervision import MILLISECONDS
from pywatt.logs.formats.redaction import parse_path
from pywatt.logs.transports.built_in import BUILT_IN, FILE, OPENTELEMETRY, PRETTY, ROLL
from pywatt.redaction import hide

HISTORY_MEGABYTES = 16
MEGABYTE = 1024 * 1024
_INTERVALS = {"hour": 3600.0, "hourly": 3600.0, "day": 86400.0, "daily": 86400.0}
_SIZES = {"k": 1024, "m": MEGABYTE, "g": 1024 * MEGABYTE}
_ROLL_FILES = 4
_IGNORED_PRETTY = ("translateTime", "ignore", "singleLine", "messageKey", "levelFirst", "hideObject", "messageFormat")
"""Options of pino-pretty without an effect."""

Block = Mapping[str, Any]


def logger_config(block: Block, folder: Path, below: LoggerConfig = PLAIN_LOGGER) -> LoggerConfig:
    """Return the settings in a valid block; `below`: those of the root file. `folder`: of the block's file."""
    levels = block.get("customLevels", below.custom_levels)
    return LoggerConfig(
        threshold=_threshold(block["level"], levels) if "level" in block else below.threshold,
        redact=_redact(block["redact"]) if "redact" in block else below.redact,
        format=_format(block, folder, below.format),
        custom_levels=levels,
        transports=_transports(block, folder, levels) if _HAS_TRANSPORT & block.keys() else below.transports,
        capture_stdio=block.get("captureStdio", below.capture_stdio),
    )


_HAS_TRANSPORT = {"transport", "openTelemetryExporter"}


def nearest_log_level(name: str, levels: Mapping[str, int]) -> LogLevel:
    """Return pino's own level of a name, or the one below a custom level."""
    if name.upper() in LogLevel.__members__:
        return LogLevel[name.upper()]
    number = levels.get(name, LogLevel.INFO)
    return max((level for level in LogLevel if level <= number), default=LogLevel.TRACE)


def rotation(value: bool | Block) -> Rotation | None:
    """Return the settings of `history` in a valid block; None: nothing is kept."""
    if isinstance(value, bool):
        return Rotation() if value else None
    return _rotation(value)


def check_logger(block: Any, document: Document, above: KeyPath, root_levels: Block, diagnostics: Diagnostics) -> None:
    """Report what the schema cannot see: names of levels, paths, targets and their options."""
    if not isinstance(block, dict):
        return
    levels = {**root_levels, **block.get("customLevels", {})}
    known = [*(level.name.lower() for level in LogLevel), *levels]

    def check_level(name: object, key: KeyPath) -> None:
        if isinstance(name, str) and name not in known:
            hint = suggest(name, known, kind="levels", always_list=True)
            diagnostics.problem(document, (*above, *key), f"there is no level {hide(name)!r}", hint)

    check_level(block.get("level"), ("level",))
    redact = block.get("redact", {})
    paths = redact if isinstance(redact, list) else redact.get("paths", [])
    for index, path in enumerate(paths):
        try:
            parse_path(path)
        except ValueError as error:
            key: KeyPath = ("redact", index) if isinstance(redact, list) else ("redact", "paths", index)
            hint = 'write it as "user.password", "headers[\\"set-cookie\\"]" or "users[*].token"'
            diagnostics.problem(document, (*above, *key), str(error), hint)
    if "openTelemetryExporter" in block:
        _check_exporter(block["openTelemetryExporter"], document, above, diagnostics)
    formatters = block.get("formatters", {}).get("path")
    if formatters is not None and not (document.file.parent / formatters).is_file():
        key = ("formatters", "path")
        message = f"there is no file {document.file.parent / formatters}"
        diagnostics.problem(document, (*above, *key), message, "create it or correct the path")
    transport = block.get("transport", {})
    targets = transport.get("targets") if "targets" in transport else None
    for index, target in enumerate([transport] if targets is None else targets):
        key = ("transport",) if targets is None else ("transport", "targets", index)
        if target.get("target"):
            check_level(target.get("level"), (*key, "level"))
            _check_target(target, document, (*above, *key), diagnostics)


def _check_exporter(exporter: Block, document: Document, above: KeyPath, diagnostics: Diagnostics) -> None:
    grpc = exporter.get("protocol") == "grpc"
    for module, remedy in (
        ("opentelemetry.sdk", "pip install 'pywatt[telemetry]'"),
        (
            f"opentelemetry.exporter.otlp.proto.{'grpc' if grpc else 'http'}",
            "pip install opentelemetry-exporter-otlp-proto-grpc" if grpc else "pip install 'pywatt[telemetry]'",
        ),
    ):
        if not _is_installed(module):
            key = (*above, "openTelemetryExporter", *(("protocol",) if grpc and module != "opentelemetry.sdk" else ()))
            diagnostics.problem(document, key, f"the package of {module} is not installed", remedy)
            return


def _is_installed(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _check_target(target: Block, document: Document, key: KeyPath, diagnostics: Diagnostics) -> None:
    name = target["target"]
    if name not in BUILT_IN and ":" not in name:
        hint = f'use one of {", ".join(BUILT_IN)}, or a function or class of Python: "module:name"'
        diagnostics.problem(document, (*key, "target"), f'there is no transport "{name}"', hint)
        return
    options = target.get("options", {})
    allowed = BUILT_IN.get(name)
    for option in options if allowed is not None else ():
        assert allowed is not None
        if name == PRETTY and option in _IGNORED_PRETTY:
            diagnostics.warn(document, f"logger: the option {option} of pino-pretty has no effect")
        elif option not in allowed:
            hint = suggest(option, allowed, kind="options", always_list=True)
            diagnostics.problem(document, (*key, "options", option), f'{name} has no option "{option}"', hint)
    if name == ROLL and not options.get("file"):
        diagnostics.problem(document, (*key, "options"), "pino-roll needs a file", 'add "file": "logs/app.log"')


def _threshold(name: str, levels: Mapping[str, int]) -> int:
    return levels.get(name, 0)


def _redact(value: Sequence[str] | Block) -> RedactConfig:
    if not isinstance(value, Mapping):
        return RedactConfig(paths=tuple(value))
    defaults = RedactConfig(paths=())
    return RedactConfig(
        paths=tuple(value.get("paths", ())),
        censor=value.get("censor", defaults.censor),
        remove=value.get("remove", defaults.remove),
    )


def _format(block: Block, folder: Path, below: LineFormatConfig) -> LineFormatConfig:
    keys: Block = block.get("pino", {})
    formatters = block.get("formatters", {}).get("path")
    return LineFormatConfig(
        timestamp=Timestamp(block["timestamp"]) if "timestamp" in block else below.timestamp,
        base=(block["base"] or {}) if "base" in block else below.base,
        message_key=keys.get("message", block.get("messageKey", below.message_key)),
        level_key=keys.get("level", below.level_key),
        time_key=keys.get("time", below.time_key),
        formatters=folder / formatters if formatters else below.formatters,
    )


def _transports(block: Block, folder: Path, levels: Mapping[str, int]) -> tuple[TransportConfig, ...]:
    transport: Block = block.get("transport", {})
    shared: Block = transport.get("options", {})
    targets = transport.get("targets") or ([transport] if "target" in transport else [])
    found = []
    for target in targets:
        if "target" not in target:
            continue  # its schema has reported that
        options = {**({} if target is transport else shared), **target.get("options", {})}
        name = target["target"]
        found.append(
            TransportConfig(
                target=name,
                options=options,
                level=_number(target.get("level"), levels),
                rotation=file_rotation(name, options) if name in (FILE, ROLL) else None,
                folder=folder,
            )
        )
    if "openTelemetryExporter" in block:
        found.append(TransportConfig(target=OPENTELEMETRY, options=block["openTelemetryExporter"], folder=folder))
        if not targets:  # exporting them does not take them from where they are shown
            found.append(TransportConfig(target=FILE, options={"destination": 1}, folder=folder))
    return tuple(found)


def _number(level: str | None, levels: Mapping[str, int]) -> int:
    if level is None:
        return 0
    known = {**{own.name.lower(): int(own) for own in LogLevel}, **levels}
    return known.get(level, 0)  # `check_logger` has reported one that is not known


def file_rotation(target: str, options: Block) -> Rotation | None:
    """Return the rotation of a file transport; None: it has one file that grows."""
    if target == ROLL:
        files = options.get("limit", {}).get("count", _ROLL_FILES - 1) + 1
        size = options.get("size")
        return Rotation(
            max_size=_bytes(size) * files if size else 0, max_files=files, interval=_interval(options.get("frequency"))
        )
    return _rotation(options) if {"maxSize", "maxFiles", "interval"} & options.keys() else None


def _rotation(block: Block) -> Rotation:
    defaults = Rotation()
    return Rotation(
        max_size=int(block.get("maxSize", HISTORY_MEGABYTES) * MEGABYTE),
        max_files=block.get("maxFiles", defaults.max_files),
        interval=_interval(block.get("interval")),
    )


def _interval(value: object) -> float | None:
    if isinstance(value, str):
        return _INTERVALS.get(value)
    return value / MILLISECONDS if isinstance(value, (int, float)) else None


def _bytes(size: str | float) -> int:
    """Return a size of pino-roll's: `10m`; a number is megabytes."""
    text = str(size).strip().lower().rstrip("b")
    unit = _SIZES.get(text[-1:], 0)
    return int(float(text[:-1] if unit else text) * (unit or MEGABYTE))
