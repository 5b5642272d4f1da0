"""A log file that is set aside when it is full or old: `app.log` becomes `app.log.1`, that `app.log.2`, and so on."""

from __future__ import annotations

import fcntl
import os
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

from pywatt.config.logger_model import Rotation


class RotatingFile:
    """Appends whole lines. Another program may move the file away, as logrotate does: then a new one is begun."""

    def __init__(
        self,
        path: Path,
        rotation: Rotation | None,
        *,
        make_folder: bool = False,
        append: bool = True,
        clock: Callable[[], float] = time.time,
    ) -> None:
        """`rotation`: None for one file that grows. `append`: False begins with an empty file."""
        self._path = path
        self._rotation = rotation
        self._limit = rotation.max_size // rotation.max_files if rotation is not None else 0
        self._make_folder = make_folder
        self._append = append
        self._clock = clock
        self._file = -1
        self._size = 0
        self._period = 0

    def write(self, batch: bytes) -> None:
        """Append lines. Raises OSError; the next ones may be taken again."""
        if self._file < 0 or self._moved():
            self._open()
        begin = 0
        while begin < len(batch):
            if self._full():
                self._set_aside()
            end = len(batch)
            room = max(self._limit - self._size, 1)
            if self._limit and end - begin > room:
                # As many whole lines as fit, but at least one.
                end = (batch.rfind(b"\n", begin, begin + room) + 1) or (batch.find(b"\n", begin) + 1) or end
            self._write_all(batch[begin:end])
            begin = end

    def close(self) -> None:
        """Close the file."""
        if self._file >= 0:
            os.close(self._file)
            self._file = -1

    def _full(self) -> bool:
        if self._rotation is None or not self._size:
            return False
        return bool(self._limit and self._size >= self._limit) or self._period != self._present_period()

    def _present_period(self) -> int:
        interval = self._rotation.interval if self._rotation is not None else None
        return int(self._clock() // interval) if interval else 0

    def _moved(self) -> bool:
        try:
            there = os.stat(self._path)
        except FileNotFoundError:
            return True
        return there.st_ino != os.fstat(self._file).st_ino

    def _open(self) -> None:
        self.close()
        if self._make_folder:
            self._path.parent.mkdir(parents=True, exist_ok=True)
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC | (0 if self._append else os.O_TRUNC)
        self._file = os.open(self._path, flags, 0o640)
        self._append = True  # what comes later belongs to the same run
        status = os.fstat(self._file)
        self._size = status.st_size
        interval = self._rotation.interval if self._rotation is not None else None
        self._period = int(status.st_mtime // interval) if interval and self._size else self._present_period()

    def _set_aside(self) -> None:
        assert self._rotation is not None
        last = self._rotation.max_files - 1
        with suppress(FileNotFoundError):
            self._numbered(last).unlink()
        for number in range(last - 1, -1, -1):
            with suppress(FileNotFoundError):
                os.replace(self._numbered(number), self._numbered(number + 1))
        self._open()

    def _numbered(self, number: int) -> Path:
        return self._path.with_name(f"{self._path.name}.{number}") if number else self._path

    def _write_all(self, lines: bytes) -> None:
        view = memoryview(lines)
        while view:
            written = os.write(self._file, view)
            self._size += written
            view = view[written:]


class SharedFile(RotatingFile):
    """A file that several processes append to: each batch is written whole, and one of them sets the file aside."""

    def __init__(self, path: Path, rotation: Rotation | None) -> None:
        super().__init__(path, rotation, make_folder=True)

    def write(self, batch: bytes) -> None:
        """Append lines. Raises OSError; the next ones may be taken again."""
        while True:
            if self._file < 0 or self._moved():
                self._open()
            locked = self._file
            fcntl.flock(locked, fcntl.LOCK_EX)
            if not self._moved():
                break  # else another process has set it aside in the meantime, and closing it gives the lock up
        try:
            self._size = os.fstat(locked).st_size  # others have written, too
            super().write(batch)
        finally:
            if self._file == locked:
                fcntl.flock(locked, fcntl.LOCK_UN)
