from __future__ import annotations

import asyncio
import errno
import json
import os
import threading
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any, TextIO

import anyio
import pytest

from pywatt.config.logger_model import Rotation
from pywatt.config.model import LogLevel
from pywatt.logs import logbook as module
from pywatt.logs.history import History, RingReader, history_of
from pywatt.logs.lines import LogRecord
from pywatt.logs.logbook import Logbook, open_logbook

pytestmark = pytest.mark.anyio

PATIENCE = 20.0
MEGABYTE = 1024 * 1024


class Pipe:
    """A pipe that the test empties."""

    def __init__(self) -> None:
        reader, writer = os.pipe()
        self.reader = os.fdopen(reader, "rb")
        self.writer: TextIO = os.fdopen(writer, "w")
        self.lines: list[dict[str, Any]] = []
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        self.lines += map(json.loads, self.reader)

    def start_reading(self) -> None:
        self._thread.start()

    def messages(self) -> list[str]:
        """Close the writing end and return all that was read."""
        self.writer.close()
        if not self._thread.ident:
            self.start_reading()
        self._thread.join(PATIENCE)
        return [str(line["msg"]) for line in self.lines]


@pytest.fixture
def pipe() -> Iterator[Pipe]:
    pipe = Pipe()
    yield pipe
    pipe.messages()
    pipe.reader.close()


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_of("shop", tmp_path, {"XDG_STATE_HOME": str(tmp_path)})


class Reading:
    """A worker's pipe, from the logbook's view."""

    def __init__(self) -> None:
        self.read = True

    def pause_reading(self) -> None:
        self.read = False

    def resume_reading(self) -> None:
        self.read = True

    def is_closing(self) -> bool:
        return False


def record(msg: str, level: LogLevel = LogLevel.INFO) -> LogRecord:
    return LogRecord(level=level, time=1, name="api", msg=msg, pid=1)


def kept(history: History) -> list[str]:
    reader = RingReader(history.folder)
    found = [one.msg for one in reader.records()]
    reader.close()
    return found


async def until(fact: Callable[[], bool]) -> None:
    """Let the loop's timers and the writers' threads run until the condition holds."""
    with anyio.fail_after(PATIENCE):
        while not fact():  # noqa: ASYNC110 - a thread brings it about, which sets no event
            await asyncio.sleep(0)


def flood(logbook: Logbook, size: int) -> int:
    """Log lines until this number of bytes has been passed on; return the number of lines."""
    number = 0
    for number in range(1, size // 1000 + 1):
        logbook.write(record(f"{number} " + "x" * 900))
    return number


def test_records_are_shown_from_a_level_on_and_all_are_kept(pipe: Pipe, history: History) -> None:
    with open_logbook(pipe.writer, LogLevel.WARN, history, Rotation(max_size=MEGABYTE)) as logbook:
        logbook.write(record("info"))
        logbook.write(record("warning", LogLevel.WARN))
        logbook.keep(LogLevel.FATAL, "kept only")
    assert pipe.messages() == ["warning"]
    assert kept(history) == ["info", "warning", "kept only"]


async def test_a_fatal_record_is_on_disk_at_once(pipe: Pipe, history: History) -> None:
    with open_logbook(pipe.writer, LogLevel.INFO, history, Rotation(max_size=MEGABYTE)) as logbook:
        logbook.write(record("the end", LogLevel.FATAL))
        await until(lambda: kept(history) == ["the end"])


def test_an_app_without_history_writes_nothing(pipe: Pipe, tmp_path: Path) -> None:
    with open_logbook(pipe.writer, LogLevel.INFO, None) as logbook:
        logbook.write(record("shown"))
    assert pipe.messages() == ["shown"]
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_told_and_the_app_goes_on(pipe: Pipe, tmp_path: Path) -> None:
    (tmp_path / "pywatt").write_text("in the way")
    history = history_of("shop", tmp_path, {"XDG_STATE_HOME": str(tmp_path)})
    with open_logbook(pipe.writer, LogLevel.INFO, history, Rotation(max_size=MEGABYTE)) as logbook:
        logbook.write(record("shown"))
    messages = pipe.messages()
    assert "shown" in messages
    assert sum("cannot be kept" in message for message in messages) == 1


class FullDisk:
    """Stands in for `os.write`: while it is full, a descriptor takes a few bytes, then nothing."""

    def __init__(self) -> None:
        self.full = threading.Event()
        self.refused = threading.Semaphore(0)
        self._begun: set[int] = set()
        self._write = os.write

    def write(self, descriptor: int, data: Any) -> int:
        if not self.full.is_set():
            return self._write(descriptor, data)
        if descriptor not in self._begun:
            self._begun.add(descriptor)
            return self._write(descriptor, data[:10])
        self.refused.release()
        raise OSError(errno.ENOSPC, "No space left on device")


@pytest.fixture
def disk(monkeypatch: pytest.MonkeyPatch) -> FullDisk:
    disk = FullDisk()
    monkeypatch.setattr(os, "write", disk.write)
    return disk


async def test_an_output_that_was_full_once_is_written_to_again_and_what_was_lost_is_told(
    tmp_path: Path, disk: FullDisk
) -> None:
    shown = tmp_path / "shown"
    with shown.open("w") as output, open_logbook(output, LogLevel.INFO, None) as logbook:
        logbook.write(record("before"))
        await until(lambda: logbook._shown.pending == 0)
        disk.full.set()
        for number in range(3):
            logbook.write(record(f"lost {number}"))
            assert disk.refused.acquire(timeout=PATIENCE)
        disk.full.clear()
        logbook.write(record("after"))
    messages = [document["msg"] for document in _whole_lines(shown.read_text())]
    assert messages == ["before", "3 lines were not shown: No space left on device", "after"]


def _whole_lines(text: str) -> Iterator[dict[str, Any]]:
    for line in text.splitlines():
        with suppress(ValueError):
            yield json.loads(line)


async def test_a_slow_reader_loses_nothing_because_the_workers_wait(pipe: Pipe) -> None:
    reading = Reading()
    with open_logbook(pipe.writer, LogLevel.INFO, None) as logbook:
        logbook.backpressure.join(reading)
        count = flood(logbook, 2 * MEGABYTE)
        assert not reading.read
        pipe.start_reading()
        await until(lambda: reading.read)
        assert logbook._shown.pending < module.HIGH_BYTES
    assert len(pipe.messages()) == count


async def test_the_workers_do_not_wait_for_a_reader_that_takes_nothing(
    pipe: Pipe, history: History, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "STUCK_SECONDS", 0.5)
    reading = Reading()
    with open_logbook(pipe.writer, LogLevel.INFO, history, Rotation(max_size=64 * MEGABYTE)) as logbook:
        logbook.backpressure.join(reading)
        first = flood(logbook, 2 * MEGABYTE)
        assert not reading.read
        await until(lambda: reading.read)
        second = 0
        for _ in range(12):
            second += flood(logbook, MEGABYTE)
            # The disk takes what comes: it alone is waited for.
            await until(lambda: reading.read)
        assert logbook._shown.pending > module.HIGH_BYTES
        pipe.start_reading()
        await until(lambda: logbook._shown.pending == 0)
    messages = pipe.messages()
    lost = next(int(message.split()[0]) for message in messages if "were not shown" in message)
    assert "pywatt logs" in next(message for message in messages if "were not shown" in message)
    assert len(messages) - 1 + lost == first + second
    assert len(kept(history)) == first + second


async def test_a_pipe_that_is_opened_meanwhile_waits_with_the_others(pipe: Pipe) -> None:
    first, second = Reading(), Reading()
    with open_logbook(pipe.writer, LogLevel.INFO, None) as logbook:
        logbook.backpressure.join(first)
        flood(logbook, 2 * MEGABYTE)
        logbook.backpressure.join(second)
        assert not second.read
        logbook.backpressure.leave(second)
        assert second.read
        pipe.start_reading()
        await until(lambda: first.read)


def test_a_reader_that_went_away_does_not_matter(history: History) -> None:
    pipe = Pipe()
    pipe.reader.close()
    with open_logbook(pipe.writer, LogLevel.INFO, history, Rotation(max_size=MEGABYTE)) as logbook:
        for number in range(3):
            logbook.write(record(str(number)))
    pipe.writer.close()
    assert kept(history) == ["0", "1", "2"]
