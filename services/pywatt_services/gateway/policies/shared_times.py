"""A table of times by key, of a fixed size, which all workers of a gateway share through a memory-mapped file.

Each key has one place among the eight of its bucket. When these are taken, the time that is over soonest makes room:
its key most likely needs none any more. So any number of clients needs no more memory, and those that are at their
limit are the last to be forgotten.
"""

from __future__ import annotations

import fcntl
import mmap
import os
import secrets
from collections.abc import Callable
from hashlib import blake2b
from pathlib import Path

BUCKETS = 8192
WAYS = 8
SEED = 16
"""Bytes at the start of the file: random, so that nobody can choose keys for one bucket."""
WORD = 8
SIZE = SEED + BUCKETS * WAYS * 2 * WORD
TRIES = 100
"""Attempts to lock a bucket. Another worker holds it for a microsecond, unless it was stopped just then; in that case
two requests may be counted as one, which is better than that all workers wait."""


class SharedFiles:
    """The files of all workers of a gateway, beside their sockets in the folder of the running app."""

    def __init__(self, folder: Path, service: str) -> None:
        self._folder = folder
        self._prefix = f"{service}-times-"
        self._used: set[str] = set()

    def path(self, name: str) -> Path:
        """Return the path of a file."""
        self._used.add(self._prefix + name)
        return self._folder / (self._prefix + name)

    def remove_others(self) -> None:
        """Remove those of limits that were changed; workers that still use one keep it."""
        for path in self._folder.iterdir():
            if path.name.startswith(self._prefix) and path.name not in self._used:
                path.unlink(missing_ok=True)


class SharedTimes:
    """Times of keys."""

    def __init__(self, path: Path | None = None) -> None:
        """`path`: of the file, which the first worker makes; None: the table is this worker's alone.

        Raises OSError.
        """
        self._file: int | None = None
        if path is None:
            self._map = mmap.mmap(-1, SIZE)
            self._map[:SEED] = secrets.token_bytes(SEED)
        else:
            self._file = _opened(path)
            self._map = mmap.mmap(self._file, SIZE)
        self._seed = self._map[:SEED]
        view = memoryview(self._map)
        self._keys = view.cast("Q")
        self._times = view.cast("d")

    def update(self, key: bytes, change: Callable[[float], float]) -> None:
        """Replace the time of a key, 0 for a new one; no other worker changes it meanwhile."""
        digest = int.from_bytes(blake2b(key, digest_size=WORD, key=self._seed).digest()) or 1
        first = (SEED // WORD) + (digest % BUCKETS) * WAYS * 2
        locked = self._file is not None and self._lock(first)
        try:
            place = self._place(digest, first)
            known = self._keys[place] == digest
            time = change(self._times[place + 1] if known else 0.0)
            self._times[place + 1] = time
            self._keys[place] = digest
        finally:
            if locked:
                self._unlock(first)

    def _place(self, digest: int, first: int) -> int:
        places = range(first, first + WAYS * 2, 2)
        keys = self._keys
        for place in places:
            if keys[place] == digest:
                return place
        # A free place has the time 0.
        return min(places, key=lambda place: self._times[place + 1])

    def _lock(self, first: int) -> bool:
        assert self._file is not None
        for _ in range(TRIES):
            try:
                fcntl.lockf(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB, WAYS * 2 * WORD, first * WORD)
            except OSError:
                os.sched_yield()
            else:
                return True
        return False

    def _unlock(self, first: int) -> None:
        assert self._file is not None
        fcntl.lockf(self._file, fcntl.LOCK_UN, WAYS * 2 * WORD, first * WORD)


def _opened(path: Path) -> int:
    """Open the file, after making it if it is not there; another worker never sees a part of one."""
    try:
        return os.open(path, os.O_RDWR | os.O_CLOEXEC)
    except FileNotFoundError:
        pass
    made = path.with_name(f"{path.name}.{os.getpid()}")
    file = os.open(made, os.O_RDWR | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    try:
        # Without its disk space, a write into the mapped memory could end the process with SIGBUS.
        os.posix_fallocate(file, 0, SIZE)
        os.pwrite(file, secrets.token_bytes(SEED), 0)
        try:
            os.link(made, path)
        except FileExistsError:
            return os.open(path, os.O_RDWR | os.O_CLOEXEC)
        return os.dup(file)
    finally:
        os.close(file)
        made.unlink()
