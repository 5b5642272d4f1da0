from __future__ import annotations

import errno
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pywatt.config.model import LogLevel
from pywatt.errors import NoHome
from pywatt.logs.history import (
    SEGMENTS,
    History,
    Position,
    RingReader,
    RingWriter,
    histories,
    history_of,
    segments,
    state_folder,
)
from pywatt.logs.lines import LogRecord
from pywatt.logs.ndjson import from_line, to_line

SIZE = 4000
LINE = b"x" * 99 + b"\n"


@pytest.fixture
def history(tmp_path: Path) -> History:
    return history_of("shop", Path("/apps/shop"), {"XDG_STATE_HOME": str(tmp_path)})


def read(history: History) -> list[bytes]:
    reader = RingReader(history.folder)
    lines = list(reader.lines())
    reader.close()
    return lines


def write(history: History, *batches: bytes, size: int = SIZE) -> None:
    writer = RingWriter(history, size)
    for batch in batches:
        writer.write(batch)
    writer.close()


def size_of(history: History) -> int:
    return sum(path.stat().st_size for _, path in segments(history.folder))


def test_what_is_written_is_read_in_order(history: History) -> None:
    write(history, b"one\ntwo\n", b"three\n")
    assert read(history) == [b"one", b"two", b"three"]


def test_the_folder_and_files_are_for_their_user_only(history: History) -> None:
    write(history, b"one\n")
    assert history.folder.stat().st_mode & 0o077 == 0
    assert all(path.stat().st_mode & 0o077 == 0 for _, path in segments(history.folder))


def test_the_oldest_goes_when_the_ring_is_full(history: History) -> None:
    write(history, *(b"%05d" % number + LINE[5:] for number in range(200)))
    numbers = [int(line[:5]) for line in read(history)]
    assert numbers == list(range(numbers[0], 200))
    assert SIZE * (SEGMENTS - 1) / SEGMENTS <= size_of(history) <= SIZE + len(LINE) * SEGMENTS


def test_a_batch_larger_than_the_ring_leaves_its_end(history: History) -> None:
    write(history, b"".join(b"%05d" % number + LINE[5:] for number in range(1000)))
    numbers = [int(line[:5]) for line in read(history)]
    assert numbers == list(range(numbers[0], 1000))
    assert SIZE / 2 < size_of(history) <= SIZE + len(LINE) * SEGMENTS


def test_the_next_runtime_goes_on_where_the_last_one_ended(history: History) -> None:
    write(history, b"first\n")
    write(history, b"second\n")
    assert read(history) == [b"first", b"second"]
    assert len(segments(history.folder)) == 1


def test_a_line_that_was_cut_off_by_a_kill_does_not_spoil_the_next_one(history: History) -> None:
    write(history, b"first\n", b'{"level":30,"cut')
    write(history, b"second\n")
    assert read(history) == [b"first", b'{"level":30,"cut', b"second"]


def test_two_runtimes_at_once_share_the_ring(history: History) -> None:
    writers = RingWriter(history, SIZE), RingWriter(history, SIZE)
    for number in range(100):
        for name, writer in zip((b"a", b"b"), writers, strict=True):
            writer.write(name + b"%05d" % number + LINE[6:])
    for writer in writers:
        writer.close()
    assert all(len(line) == len(LINE) - 1 for line in read(history))
    assert size_of(history) <= SIZE + len(LINE) * SEGMENTS
    for name in (b"a", b"b"):
        numbers = [int(line[1:6]) for line in read(history) if line.startswith(name)]
        assert numbers == list(range(numbers[0], 100))


def test_a_ring_whose_folder_was_removed_is_made_again(history: History) -> None:
    writer = RingWriter(history, SIZE)
    writer.write(b"gone\n")
    shutil.rmtree(history.folder)
    writer.write(b"kept\n")
    writer.close()
    assert read(history) == [b"kept"]


def test_lines_after_a_full_disk_are_whole(history: History, monkeypatch: pytest.MonkeyPatch) -> None:
    """The stored part of the previous line does not belong to them."""
    room = [5, 0, 0]
    write = os.write

    def write_as_fits(descriptor: int, data: memoryview) -> int:
        size = room.pop(0) if room else len(data)
        if not size:
            raise OSError(errno.ENOSPC, "No space left on device")
        return write(descriptor, data[:size])

    writer = RingWriter(history, SIZE)
    writer.write(b"before\n")
    monkeypatch.setattr(os, "write", write_as_fits)
    for _ in range(2):
        with pytest.raises(OSError, match="No space left"):
            writer.write(b"lost line\n")
    writer.write(b"after\n")
    writer.close()
    assert read(history) == [b"before", b"lost ", b"after"]


@pytest.fixture
def reader(history: History) -> Iterator[RingReader]:
    reader = RingReader(history.folder)
    yield reader
    reader.close()


def test_a_reader_follows_through_new_files(history: History, reader: RingReader) -> None:
    writer = RingWriter(history, SIZE)
    seen: list[bytes] = []
    for number in range(100):
        writer.write(b"%05d" % number + LINE[5:])
        if number % 7 == 0:
            seen += reader.lines()
    writer.close()
    seen += reader.lines()
    assert [int(line[:5]) for line in seen] == list(range(100))


def test_a_reader_shows_no_half_of_a_line(history: History, reader: RingReader) -> None:
    writer = RingWriter(history, SIZE)
    writer.write(b"one\ntw")
    assert list(reader.lines()) == [b"one"]
    writer.write(b"o\n")
    writer.close()
    assert list(reader.lines()) == [b"two"]


def test_number_of_files_and_a_new_one_with_the_hour(history: History) -> None:
    now = [3600.0 * 10]
    writer = RingWriter(history, SIZE, files=2, interval=3600.0, clock=lambda: now[0])
    for hour in range(4):
        writer.write(b"%d a\n" % hour)
        now[0] += 1800
        writer.write(b"%d b\n" % hour)
        now[0] += 1800
    writer.close()
    assert [path.read_bytes() for _, path in segments(history.folder)] == [b"2 a\n2 b\n", b"3 a\n3 b\n"]
    # The file of an earlier run is as old as its last line.
    (_, last) = segments(history.folder)[-1]
    os.utime(last, (now[0] - 1, now[0] - 1))
    later = RingWriter(history, SIZE, files=2, interval=3600.0, clock=lambda: now[0])
    later.write(b"4 a\n")
    later.close()
    assert [path.read_bytes() for _, path in segments(history.folder)] == [b"3 a\n3 b\n", b"4 a\n"]


def test_a_reader_goes_on_at_a_known_place(history: History) -> None:
    writer = RingWriter(history, SIZE)
    writer.write(b"one\ntwo\n")
    first = RingReader(history.folder)
    lines = first.lines()
    assert next(lines) == b"one"
    known = first.position
    assert list(lines) == [b"two"]
    writer.write(b"three\n")
    later = RingReader(history.folder, known)
    assert list(later.lines()) == [b"two", b"three"]
    # Of files that are gone, the rest is read.
    others = [RingReader(history.folder, gone) for gone in (Position(9, 3), Position(0, 3), Position(1, 10**6))]
    for other in others:
        assert list(other.lines()) == [b"one", b"two", b"three"]
    for each in (first, later, *others):
        each.close()
    writer.close()


def test_a_reader_counts_the_files_that_it_missed(history: History) -> None:
    writer = RingWriter(history, SIZE)
    writer.write(b"one\n")
    reader = RingReader(history.folder)
    assert list(reader.lines()) == [b"one"]
    for _ in range(SEGMENTS + 3):
        writer.write(b"x" * (SIZE // SEGMENTS) + b"\n")
    list(reader.lines())
    assert reader.missed == 2
    reader.close()
    writer.close()


def test_nothing_is_read_where_nothing_was_kept(tmp_path: Path) -> None:
    assert list(RingReader(tmp_path / "no").lines()) == []


@settings(max_examples=30)
@given(st.lists(st.integers(1, 600), max_size=60))
def test_the_ring_never_outgrows_its_bound_by_more_than_a_batch(sizes: list[int]) -> None:
    folder = Path(os.path.realpath("/tmp")) / f"pywatt-ring-{os.getpid()}"
    shutil.rmtree(folder, ignore_errors=True)
    history = History(name="a", root=folder, folder=folder)
    writer = RingWriter(history, SIZE)
    try:
        for size in sizes:
            writer.write(b"x" * (size - 1) + b"\n")
            assert size_of(history) <= SIZE + 600 * SEGMENTS
    finally:
        writer.close()
        shutil.rmtree(folder, ignore_errors=True)


def test_apps_of_one_name_in_two_folders_have_two_histories(tmp_path: Path) -> None:
    environ = {"XDG_STATE_HOME": str(tmp_path)}
    first, second = (history_of("a b", Path(root), environ) for root in ("/one", "/two"))
    for history in (first, second):
        write(history, b"line\n")
    assert {history.root for history in histories(environ)} == {Path("/one"), Path("/two")}
    assert first.folder.name.startswith("a_b-")


def test_the_state_folder_is_that_of_the_xdg_specification(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", "/home/me")
    assert state_folder({}) == Path("/home/me/.local/state/pywatt")
    assert state_folder({"XDG_STATE_HOME": "relative"}) == Path("/home/me/.local/state/pywatt")
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/pywatt")


def test_a_user_without_a_home_folder_is_told_what_to_set(monkeypatch: pytest.MonkeyPatch) -> None:
    def none() -> Path:
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(Path, "home", none)
    assert state_folder({"XDG_STATE_HOME": "/state"}) == Path("/state/pywatt")
    with pytest.raises(NoHome) as raised:
        state_folder({})
    assert "XDG_STATE_HOME" in raised.value.hint


def test_a_record_survives_its_line() -> None:
    record = LogRecord(
        level=LogLevel.WARN, time=5, name="api", msg="a\nb", pid=7, worker=1, extra={"err": {"stack": "s"}}
    )
    line = to_line(record, "here")
    assert from_line(line) == record
    assert from_line(line[:-3]) is None
    assert from_line("[]") is None
    assert from_line('{"level":"info"}') is None
