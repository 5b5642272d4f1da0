"""The app's log history: a few files of bounded size in one folder, the oldest of which goes when a new one is begun.

Writers append whole lines, so that readers may read at any time and a second runtime of the same app may write as well.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from pywatt.errors import NoHome
from pywatt.logs.lines import LogRecord
from pywatt.logs.ndjson import from_line

SEGMENTS = 4
_SEGMENT = re.compile(r"log\.(\d+)\.ndjson")
_UNSAFE = re.compile(r"[^\w.-]")
_DIGITS = 12
"""Length of the hash of an app's root folder, which tells apps of one name apart."""
_ABOUT = "app.json"
"""Says whose history it is."""
_LINE_BREAK = ord("\n")
_READ_BYTES = 256 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class History:
    """The kept log of one app."""

    name: str
    root: Path
    folder: Path


def history_of(name: str, root: Path, environ: Mapping[str, str]) -> History:
    """Return where the log of an app is kept. Raises NoHome."""
    digest = hashlib.sha256(os.fsencode(root)).hexdigest()[:_DIGITS]
    return History(name=name, root=root, folder=state_folder(environ) / f"{_UNSAFE.sub('_', name)}-{digest}")


def state_folder(environ: Mapping[str, str]) -> Path:
    """Return the folder that holds the histories of all apps (XDG base directory specification). Raises NoHome."""
    state = environ.get("XDG_STATE_HOME", "")
    if state.startswith("/"):
        return Path(state) / "pywatt"
    try:
        home = Path.home()
    except RuntimeError as error:  # the user has no entry in /etc/passwd, as in many containers
        raise NoHome(
            f"the user {os.getuid()} has no home folder for the log of `pywatt logs`",
            hint="set HOME or XDG_STATE_HOME to a folder that it may write to, or logger.history to false",
        ) from error
    return home / ".local" / "state" / "pywatt"


def histories(environ: Mapping[str, str]) -> list[History]:
    """Return the histories of all apps that have one."""
    found = []
    for about in sorted(state_folder(environ).glob(f"*/{_ABOUT}")):
        try:
            document = json.loads(about.read_bytes())
            found.append(History(name=document["name"], root=Path(document["root"]), folder=about.parent))
        except (OSError, ValueError, KeyError, TypeError):
            # Another user's, or just being removed: no history to offer.
            continue
    return found


def segments(folder: Path) -> list[tuple[int, Path]]:
    """Return number and path of each file, the oldest first."""
    try:
        names = os.listdir(folder)
    except FileNotFoundError:
        return []
    return sorted((int(match[1]), folder / name) for name in names if (match := _SEGMENT.fullmatch(name)))


class RingWriter:
    """Appends to the newest file and begins another when it is full, or old."""

    def __init__(
        self,
        history: History,
        size: int,
        *,
        files: int = SEGMENTS,
        interval: float | None = None,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`size`: bytes in all. `interval`: seconds, counted from midnight UTC, after which another file is begun."""
        self._history = history
        self._files = files
        self._segment_bytes = max(size // files, 1)
        self._interval = interval
        self._clock = clock
        self._period = 0
        self._number = 0
        self._file = -1
        self._torn = False
        """True if the last line could be written in part only."""

    def write(self, batch: bytes) -> None:
        """Append whole lines. Raises OSError; the next ones may be taken again."""
        begin = 0
        if self._file < 0:
            self._open()
        while begin < len(batch):
            status = os.fstat(self._file)
            if not status.st_nlink or status.st_size >= self._segment_bytes or self._is_old():
                self._open()
            room = max(self._segment_bytes - os.fstat(self._file).st_size, 1)
            end = len(batch)
            if end - begin > room:
                # As many whole lines as fit, but at least one.
                end = (batch.rfind(b"\n", begin, begin + room) + 1) or (batch.find(b"\n", begin) + 1) or end
            self._append(batch[begin:end])
            begin = end

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _is_old(self) -> bool:
        return self._interval is not None and self._period != int(self._clock() // self._interval)

    def _append(self, lines: bytes) -> None:
        if self._torn:
            lines = b"\n" + lines
        done = 0
        try:
            while done < len(lines):
                done += os.write(self._file, memoryview(lines)[done:])
        except OSError:
            if done:
                self._torn = lines[done - 1] != _LINE_BREAK
            raise
        self._torn = False

    def _open(self) -> None:
        folder = self._history.folder
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        about = {"name": self._history.name, "root": str(self._history.root)}
        (folder / _ABOUT).write_text(json.dumps(about))
        newest = max((number for number, _ in segments(folder)), default=0)
        opened, size = self._append_to(max(newest, 1))
        if size and self._interval:
            self._period = int(os.fstat(opened).st_mtime // self._interval)
        if size >= self._segment_bytes or (size and self._is_old()):
            os.close(opened)
            newest += 1
            opened, size = self._append_to(newest)
        self.close()
        self._file = opened
        if self._interval:
            self._period = int(self._clock() // self._interval)
        # The last writer was killed in the middle of a line.
        self._torn = bool(size) and os.pread(opened, 1, size - 1) != b"\n"
        for number, path in segments(folder):
            if number <= newest - self._files:
                path.unlink(missing_ok=True)

    def _append_to(self, number: int) -> tuple[int, int]:
        path = self._history.folder / f"log.{number:06}.ndjson"
        opened = os.open(path, os.O_RDWR | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        return opened, os.fstat(opened).st_size


@dataclass(frozen=True, slots=True)
class Position:
    """A place in the history: the number of a file, and bytes in it."""

    file: int
    offset: int


class RingReader:
    """Reads the kept lines, and then, call by call, added ones."""

    def __init__(self, folder: Path, after: Position | None = None) -> None:
        """`after`: the place up to which the lines are known; all of them are read if its file is gone."""
        self.missed = 0
        """Files that were removed before they were read: the writer was faster."""
        self._folder = folder
        self._number = 0
        self._file = -1
        self._rest = b""
        self._offset = 0
        self._after = after

    @property
    def position(self) -> Position:
        """The place behind the line that was yielded last."""
        return Position(self._number, self._offset)

    def lines(self) -> Iterator[bytes]:
        """Yield the lines that are there and have not been read yet, the oldest first."""
        while True:
            yield from self._read_open()
            present = segments(self._folder)
            if self._after is not None and present and present[-1][0] < self._after.file:
                self._after = None  # the history was removed since, and another one begun
            passed = self._after.file - 1 if self._after is not None else self._number
            following = [(number, path) for number, path in present if number > passed]
            if not following:
                return
            # What was written between the last read and the beginning of the next file.
            yield from self._read_open()
            self.close()
            number, path = following[0]
            if self._number:
                self.missed += number - self._number - 1
            self._number = number
            try:
                self._file = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
            except FileNotFoundError:  # it has gone since, as the oldest one does
                continue
            if self._after is not None:
                self._seek(self._after)

    def records(self) -> Iterator[LogRecord]:
        """Yield the records of those lines; a line that was cut off when its writer was killed is none."""
        for line in self.lines():
            record = from_line(line)
            if record is not None:
                yield record

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
        self._file, self._rest, self._offset = -1, b"", 0

    def _seek(self, after: Position) -> None:
        """Go to the end of the known lines, if the file is the one with them."""
        self._after = None
        if after.file == self._number and after.offset <= os.fstat(self._file).st_size:
            self._offset = os.lseek(self._file, after.offset, os.SEEK_SET)

    def _read_open(self) -> Iterator[bytes]:
        while self._file >= 0 and (data := os.read(self._file, _READ_BYTES)):
            *lines, self._rest = (self._rest + data).split(b"\n")
            for line in lines:
                self._offset += len(line) + 1
                yield line
