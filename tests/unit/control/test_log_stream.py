from __future__ import annotations

import json
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from pywatt.config.model import LogLevel
from pywatt.control import log_stream
from pywatt.control.log_stream import LogLine, log_events, log_lines, log_query, log_text
from pywatt.errors import ControlError
from pywatt.logs.history import SEGMENTS, History, RingWriter
from pywatt.logs.search.time_limit import MOST_SLOW

pytestmark = pytest.mark.anyio
SIZE = 4000


@pytest.fixture
def history(tmp_path: Path) -> History:
    return History(name="shop", root=tmp_path, folder=tmp_path / "log")


@pytest.fixture
def writer(history: History, monkeypatch: pytest.MonkeyPatch) -> Iterator[RingWriter]:
    monkeypatch.setattr(log_stream, "POLL_SECONDS", 0.0)
    ring = RingWriter(history, SIZE)
    yield ring
    ring.close()


def record(message: str, level: LogLevel = LogLevel.INFO) -> bytes:
    return json.dumps({"level": int(level), "time": 1, "pid": 1, "name": "api", "msg": message}).encode() + b"\n"


def message(line: LogLine | None) -> str | None:
    return None if line is None else str(json.loads(line.text)["msg"])


async def test_last_records_come_first_and_then_new_ones(history: History, writer: RingWriter) -> None:
    stopping = False
    for number in range(5):
        writer.write(record(f"{number}"))
    query = log_query({"lines": ["2"], "follow": ["true"], "level": ["info"]})
    lines = log_lines(history.folder, query, stopping=lambda: stopping)
    assert [message(await anext(lines)) for _ in range(3)] == ["3", "4", None]
    writer.write(record("5") + record("hidden", LogLevel.DEBUG) + record("6"))
    found = [await anext(lines), await anext(lines)]
    assert [message(line) for line in found] == ["5", "6"]
    stopping = True
    assert [line async for line in lines if line is not None] == []
    # A client that comes back gets all that it has not seen.
    assert found[0] is not None
    again = log_lines(history.folder, log_query({"lines": ["1"]}), stopping=lambda: False, after=found[0].id)
    assert [message(line) async for line in again] == ["hidden", "6"]


async def test_slow_reader_is_told_what_it_missed(history: History, writer: RingWriter) -> None:
    stopping = False
    writer.write(record("first"))
    lines = log_lines(history.folder, log_query({"follow": ["true"]}), stopping=lambda: stopping)
    assert message(await anext(lines)) == "first"
    for _ in range(SEGMENTS + 3):
        writer.write(record("x" * (SIZE // SEGMENTS)))
    told = None
    while told is None or told.startswith("x"):
        told = message(await anext(lines))
    assert told.startswith("2 files of the log were removed")


async def test_events_and_text(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0

    async def lines() -> AsyncIterator[LogLine | None]:
        nonlocal now
        yield LogLine(b"{}", "1-3")
        yield None
        now += log_stream.KEEP_ALIVE_SECONDS
        yield None
        yield None

    assert [part async for part in log_events(lines(), lambda: now)] == [
        b"retry: 1000\n\n",
        b"event: log\nid: 1-3\ndata: {}\n\n",
        b": nothing new\n\n",
    ]
    assert [part async for part in log_text(lines())] == [b"{}\n"]


async def test_defaults_of_a_query() -> None:
    assert log_query({}).lines == log_stream.DEFAULT_LINES
    assert log_query({"since": ["10m"]}).lines is None
    assert log_query({"lines": ["all"]}).lines is None
    with pytest.raises(ControlError, match="unknown parameter"):
        log_query({"x": ["1"]})


async def test_an_expression_that_takes_very_long_is_given_up(history: History, writer: RingWriter) -> None:
    for number in range(2 * MOST_SLOW):
        writer.write(record("a" * 60 + f"! {number}"))
    writer.write(record("aaa"))
    stopping = False
    query = log_query({"lines": ["all"], "grep": ["^(a+)+$"], "follow": ["true"]})
    lines = log_lines(history.folder, query, stopping=lambda: stopping)
    told = message(await anext(lines)) or ""
    assert told.startswith(f"{MOST_SLOW} records were passed over: the expression takes more than")
    assert told.endswith("and is given up")
    writer.write(record("a" * 60 + "!"))
    assert await anext(lines) is None
    stopping = True
    assert [line async for line in lines if line is not None] == []


async def test_a_harmless_expression_finds_what_it_should(history: History, writer: RingWriter) -> None:
    writer.write(record("x" * 1000) + record("an order") + record("another"))
    query = log_query({"lines": ["all"], "grep": ["order|other"]})
    lines = log_lines(history.folder, query, stopping=lambda: False)
    assert [message(line) async for line in lines] == ["an order", "another"]
