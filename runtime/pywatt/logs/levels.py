"""Finds the level in a line of text, as the common loggers of many languages print it (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from pywatt.config.model import LogLevel
from pywatt.logs.json_object import is_level

HEAD = 300
"""Characters within which a level is looked for."""
LEVELS: Mapping[int, LogLevel] = {int(level): level for level in LogLevel if level is not LogLevel.SILENT}
"""Pino's own levels by their numbers."""
_LEVELS = {
    LogLevel.TRACE: "trace trce",
    LogLevel.DEBUG: "debug dbug dbg verbose",
    LogLevel.INFO: "info information informational notice success",
    LogLevel.WARN: "warn warning",
    LogLevel.ERROR: "error err fail severe",
    LogLevel.FATAL: "fatal critical crit alert emerg emergency panic dpanic",
}
_BY_NAME = {name: level for level, names in _LEVELS.items() for name in names.split()}
_BY_LETTER = {
    "V": LogLevel.DEBUG,
    "D": LogLevel.DEBUG,
    "I": LogLevel.INFO,
    "W": LogLevel.WARN,
    "E": LogLevel.ERROR,
    "C": LogLevel.FATAL,
    "F": LogLevel.FATAL,
    "A": LogLevel.FATAL,
}
_BY_SIGN = {".": LogLevel.DEBUG, "-": LogLevel.DEBUG, "*": LogLevel.INFO, "#": LogLevel.WARN}
_BY_PRIORITY = (*[LogLevel.FATAL] * 3, LogLevel.ERROR, LogLevel.WARN, LogLevel.INFO, LogLevel.INFO, LogLevel.DEBUG)
_KEYS = ("level", "levelname", "severity", "lvl", "log.level", "@level", "loglevel", "level_name")

_COLOURS = re.compile(r"\x1b\[[0-9;:]*m")
_ANY = "|".join(sorted(_BY_NAME, key=len, reverse=True))
_CAPITALS = _ANY.upper()
_SURE = "TRACE|DEBUG|INFO|NOTICE|WARNING|WARN|ERROR|CRITICAL|FATAL"
_DAY = r"(?:\d{4}[-/.]\d\d[-/.]\d\d|\d{6}|\d\d/\w{3}/\d{4}:?|\w{3} \w{3} [ \d]\d)"
_ZONE = r"(?:Z|UTC|GMT|[A-Z]{3,4}|[+-]\d\d:?\d\d)"
_TIME = rf"(?:{_DAY}[T ]?)?\d?\d:\d\d(?::\d\d(?:[.,]\d+)?)?(?: ?[AP]M)?(?: \d{{4}})?(?: ?{_ZONE}\b)?"
_BETWEEN = r"(?:\[[^\]\[]*+\]|\([^()]*+\)|[\w.@$<>][\w.@$<>-]*+ ?[-:/|,]|\d++(?=[\s\]])|[\s:|,\]#-]++)"
"""The text between a time and a level: a thread in brackets, a logger before a dash, a process number ...

Its repetitions do not give back what they took (`++`): a line must not be able to make the search expensive.
"""
_BARE = r"(?:[\w.@$-]++ ++)?"
_PAIR_KEY = "(?:level|lvl|severity|loglevel)="

_PATTERNS = tuple(
    re.compile(pattern)
    for pattern in (
        # uvicorn, Python's default, .NET, compilers: `INFO:     started`, `warning: unused`
        rf"(?P<name>(?i:{_ANY}))(?: *[:|]| - )",
        # `ERROR something`, `INFO  [alembic] ...`
        rf"(?P<name>{_SURE})[ \t]",
        # `[error] x`, `<info> x`
        rf"[\[<](?P<name>(?i:{_ANY}))[\]>]",
        # loggers that begin with a time: log4j, logback, loguru, Celery, Locust, gunicorn, PostgreSQL, zap, Rust
        rf"[\[(]?{_TIME}[\])]?{_BETWEEN}{{0,12}}?{_BARE}(?P<name>{_CAPITALS})(?![\w.=])",
        # nginx, Apache, Elixir: `2026/01/01 10:00:00 [error] 31#31: ...`, `[...] [core:error] [pid 1]`
        rf"[\[(]?{_TIME}[\])]?{_BETWEEN}{{0,4}}?\s*[\[<](?:\w+:)?(?P<name>(?i:{_ANY}))[\]>]",
        # PostgreSQL's name for what is no error
        rf"{_TIME}{_BETWEEN}{{0,12}}?{_BARE}(?P<info>LOG):  ",
        # Jupyter and Tornado, klog and glog, Ruby
        rf"\[(?P<letter>[DIWEC]) {_DAY} \d\d:\d\d:\d\d",
        r"(?P<letter>[VDIWEF])\d{4} \d\d:\d\d:\d\d",
        r"(?P<letter>[DIWEFA]), \[",
        # Redis, and the prefix that systemd reads
        r"\d+:[XCSM] \d\d \w{3} \d{4} \d\d:\d\d:\d\d\.\d+ (?P<sign>[.*#-]) ",
        r"<(?P<priority>[0-7])>",
        # logfmt: `time="..." level=info msg=...`
        rf"(?:(?!{_PAIR_KEY})[\w.@-]++=(?:\"[^\"]*+\"|[^\s\"]\S*+)? ++)*+{_PAIR_KEY}\"?(?P<name>(?i:{_ANY}))\b",
        # the beginning of an object that is too long to be read
        r"\{.*?\"(?:level|lvl|severity|levelname)\" ?: ?(?:\"(?P<name>(?i:" + _ANY + r"))\"|(?P<number>\d{2})\b)",
        # npm
        r"npm (?P<name>warn|WARN|notice|verb|info) ",
        r"npm (?P<error>error|ERR!) ",
        # warnings of Node and Python
        r"(?P<warn>\(node:\d+\) (?:\[\w+\] )?\w*Warning: |\S+\.py:\d+: \w*Warning: )",
        # what ends programs: Python, Java, Go, Rust, JavaScript
        r"(?P<fatal>Fatal Python error|fatal error: |panic: |thread '[^']*' panicked at )",
        r"(?P<error>  \+ Exception Group Traceback|Traceback \(most recent call last\)|Exception in thread )",
        r"(?P<error>(?:[\w$]++\.)*+(?:\w*(?:Error|Exception)|SystemExit|KeyboardInterrupt)(?:: |$))",
        # stacks that somebody asked for
        r"(?P<info>(?:Current thread|Thread) 0x[0-9a-f]+)",
    )
)


def level_in_text(text: str) -> LogLevel | None:
    """Return the level that the beginning of a line names, or None."""
    head, _, _ = text[:HEAD].partition("\n")
    if "\x1b" in head:
        head = _COLOURS.sub("", head)
    for pattern in _PATTERNS:
        if match := pattern.match(head):
            return _level(match)
    return None


def level_in_object(document: Mapping[str, Any]) -> LogLevel | None:
    """Return the level that a JSON object of another form than pino's names, or None."""
    for key in _KEYS:
        value = document.get(key)
        if isinstance(value, str) and (level := _BY_NAME.get(value.lower())):
            return level
        if key == "level" and is_level(value):
            return nearest_level(value)
    return None


def nearest_level(number: int) -> LogLevel:
    """Return the highest level that is not above a number (pino allows custom levels in between)."""
    fitting = [level for level in LogLevel if level <= number and level is not LogLevel.SILENT]
    return max(fitting, default=LogLevel.TRACE)


def _level(match: re.Match[str]) -> LogLevel | None:
    kind = match.lastgroup
    found = match[kind] if kind else ""
    match kind:
        case "name":
            return _BY_NAME.get(found.lower())
        case "letter":
            return _BY_LETTER[found]
        case "sign":
            return _BY_SIGN[found]
        case "priority":
            return _BY_PRIORITY[int(found)]
        case "number":
            return nearest_level(int(found))
        case "fatal" | "error" | "warn" | "info":
            return LogLevel[kind.upper()]
        case _:
            return None
