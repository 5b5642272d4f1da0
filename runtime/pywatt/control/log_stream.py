"""The app's log over the control API: what is kept, and then what is added, as NDJSON or server-sent events.

    GET /api/v1/logs?service=api&level=warn&since=10m&lines=100&grep=REGEX&trace=ID&where=status>=500&follow=true

`service` and `where` may be repeated. Each line is a record as `pywatt logs --json` prints it. With
`Accept: text/event-stream` each record is an event `log`, and its id is the record's place: a client that comes back
with `Last-Event-ID` goes on after it.
"""

from __future__ import annotations

import asyncio
import json
from collections import deque
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from pywatt.config.model import LogLevel
from pywatt.errors import ControlError
from pywatt.logs.history import Position, RingReader, history_of
from pywatt.logs.ndjson import from_line
from pywatt.logs.search.record_filter import RecordFilter, record_filter
from pywatt.logs.search.since import parse_since
from pywatt.logs.search.time_limit import SECONDS, BoundedSearch

POLL_SECONDS = 0.2
"""Seconds between two looks at the log: its writer gathers lines for as long."""
TURN_LINES = 500
"""Lines after which other requests get their turn."""
KEEP_ALIVE_SECONDS = 15.0
"""Seconds without a record after which a comment keeps the connection of an event stream."""
DEFAULT_LINES = 100
PARAMETERS = ("service", "level", "since", "lines", "grep", "trace", "where", "follow")


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    """A request for log records."""

    wanted: RecordFilter
    lines: int | None
    """The last records to begin with; None: all."""
    follow: bool = False


def log_query(parameters: Mapping[str, Sequence[str]]) -> LogQuery:
    """Return the query of a URL's parameters. Raises ControlError for one that is unknown or malformed."""
    for name in parameters:
        if name not in PARAMETERS:
            raise ControlError(f'unknown parameter "{name}"', hint=f"use one of {', '.join(PARAMETERS)}")
    single = {name: values[-1] for name, values in parameters.items()}
    level = single.get("level", "trace").upper()
    since, lines = single.get("since"), single.get("lines")
    if level not in LogLevel.__members__:
        known = ", ".join(name.lower() for name in LogLevel.__members__)
        raise ControlError(f'there is no level "{level.lower()}"', hint=f"use one of {known}")
    if lines is not None and lines != "all" and not (lines.isascii() and lines.isdigit()):
        raise ControlError(f'lines is a number or "all", not "{lines}"')
    try:
        wanted = record_filter(
            level=LogLevel[level],
            since=parse_since(since, datetime.now().astimezone()) if since else 0,
            services=parameters.get("service", ()),
            grep=single.get("grep"),
            trace=single.get("trace"),
            where=parameters.get("where", ()),
        )
    except ValueError as error:
        raise ControlError(str(error)) from error
    if lines is None and not since:
        lines = str(DEFAULT_LINES)
    count = int(lines) if lines not in (None, "all") else None
    return LogQuery(wanted=wanted, lines=count, follow=single.get("follow", "false") == "true")


@dataclass(frozen=True, slots=True)
class LogLine:
    """One record of the log as JSON, without a line break."""

    text: bytes
    id: str
    """Its place in the log."""


async def log_lines(
    folder: Path, query: LogQuery, *, stopping: Callable[[], bool], after: str | None = None
) -> AsyncIterator[LogLine | None]:
    """Yield the wanted records; with `follow`, None whenever none has come. `after`: the id of the last known one.

    Ends once `stopping` says so. A reader that is so slow that files went before it read them gets a record that
    tells how many.
    """
    place = _position(after)
    reader = RingReader(folder, place)
    search = BoundedSearch() if query.wanted.pattern is not None else None
    try:
        shown: deque[LogLine] = deque(maxlen=query.lines if place is None else None)
        async for line in _added(reader, query.wanted, search):
            shown.append(line)
        for line in shown:
            yield line
        told, slow = reader.missed, 0
        if search is not None and search.slow:
            slow = search.slow
            yield LogLine(slow_line(search), _id(reader.position))
        while query.follow and not stopping():
            none = True
            async for line in _added(reader, query.wanted, search):
                none = False
                yield line
            if reader.missed > told:
                yield LogLine(_missed(reader.missed - told), _id(reader.position))
                told = reader.missed
            if search is not None and search.slow > slow:
                slow = search.slow
                yield LogLine(slow_line(search), _id(reader.position))
            if none:
                yield None
            await asyncio.sleep(POLL_SECONDS)
    finally:
        reader.close()


async def log_events(lines: AsyncIterator[LogLine | None], clock: Callable[[], float]) -> AsyncIterator[bytes]:
    """Yield the lines as server-sent events."""
    written = clock()
    yield b"retry: 1000\n\n"
    async for line in lines:
        if line is not None:
            yield b"event: log\nid: %b\ndata: %b\n\n" % (line.id.encode(), line.text)
        elif clock() - written < KEEP_ALIVE_SECONDS:
            continue
        else:
            yield b": nothing new\n\n"
        written = clock()


async def log_text(lines: AsyncIterator[LogLine | None]) -> AsyncIterator[bytes]:
    """Yield the lines as NDJSON."""
    async for line in lines:
        if line is not None:
            yield line.text + b"\n"


def kept_log(metadata: Mapping[str, Any], environ: Mapping[str, str]) -> Path:
    """Return the folder of the log that an app keeps; its first lines may not have been written yet.

    `metadata`: of the app, from the control API. Raises ControlError if it keeps none, NoHome.
    """
    if not metadata["keepsLog"]:
        raise ControlError("the app keeps no log", hint="remove logger.history: false from the root file")
    return history_of(metadata["name"], Path(metadata["root"]), environ).folder


async def _added(reader: RingReader, wanted: RecordFilter, search: BoundedSearch | None) -> AsyncIterator[LogLine]:
    """Yield the lines of wanted records that have not been read yet, and let others have their turn now and then."""
    turn = TURN_LINES
    for line in reader.lines():
        turn -= 1
        if not turn:
            turn = TURN_LINES
            await asyncio.sleep(0)
        if not wanted.may_take(line) or (record := from_line(line)) is None:
            continue
        if search is None:
            if wanted.takes(record):
                yield LogLine(line, _id(reader.position))
            continue
        slow = search.slow
        if search.finds(partial(wanted.takes, record)):
            yield LogLine(line, _id(reader.position))
        if search.slow > slow:
            await asyncio.sleep(0)


def _id(position: Position) -> str:
    return f"{position.file}-{position.offset}"


def _position(log_id: str | None) -> Position | None:
    file, _, offset = (log_id or "").partition("-")
    return Position(int(file), int(offset)) if file.isdecimal() and offset.isdecimal() else None


def slow_line(search: BoundedSearch) -> bytes:
    """Return the record that tells of searches that took too long."""
    message = f"{search.slow} records were passed over: the expression takes more than {SECONDS:g} s for each"
    return _note(f"{message}, and is given up" if search.given_up else message)


def _missed(files: int) -> bytes:
    return _note(
        f"{files} files of the log were removed before this reader took them: it is too slow for the app's log"
    )


def _note(message: str) -> bytes:
    return json.dumps({"level": int(LogLevel.WARN), "time": 0, "pid": 0, "name": "pywatt", "msg": message}).encode()
