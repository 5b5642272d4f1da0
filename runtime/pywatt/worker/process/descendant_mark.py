"""A mark on processes that all their descendants have: it finds them wherever they went.

A process group is left with setsid(2), a parent with a double fork, an environment with another one. Resource limits
are inherited over fork and exec whatever a program does, and one of them, RLIMIT_LOCKS, has meant nothing since Linux
2.4.25: its value is the mark. A mark is the app's number and the worker's within it.
"""

from __future__ import annotations

import os
import random
import resource
import signal
from collections.abc import Callable, Container, Iterable
from contextlib import suppress

from pywatt import procfs

_RLIMIT_LOCKS = 10
"""resource(3) lists it; Python's module does not name it."""
_WORKER_BITS = 24
_APP_BITS = 30
MOST_ROUNDS = 100
"""Number of rounds of killing after which further processes are left: they are made faster than they can be ended."""


def new_app_mark(rng: random.Random) -> int:
    """Return a mark for the processes of an app that belong to none of its workers."""
    return rng.randrange(1, 1 << _APP_BITS) << _WORKER_BITS


def worker_mark(app: int, number: int) -> int:
    """Return the mark of the app's worker with that number."""
    return app | (1 + number % ((1 << _WORKER_BITS) - 1))


def is_of_app(app: int) -> Callable[[int], bool]:
    """Return whether a mark is that of the app or of one of its workers."""
    return lambda mark: mark >> _WORKER_BITS == app >> _WORKER_BITS


def put_mark(mark: int, pid: int = 0) -> None:
    """Mark a process (0: this one) and its future children. Where the limit cannot be set, nothing is marked."""
    with suppress(OSError, ValueError):
        _, hard = resource.prlimit(pid, _RLIMIT_LOCKS)
        resource.prlimit(pid, _RLIMIT_LOCKS, (mark, hard))


def own_mark() -> int:
    """Return the mark of this process, 0 for none."""
    return _mark_of(os.getpid())


def marked(wanted: Callable[[int], bool], *, but: Container[int] = ()) -> list[int]:
    """Return the pids of the running processes with such a mark."""
    return [
        pid
        for pid in procfs.pids()
        if (mark := _mark_of(pid)) and wanted(mark) and pid not in but and not procfs.has_ended(pid)
    ]


def end_marked(wanted: Callable[[int], bool], *, but: Container[int] = ()) -> None:
    """Kill the processes with such a mark, and the ones that they start meanwhile."""
    for _ in range(MOST_ROUNDS):
        pids = marked(wanted, but=but)
        if not pids:
            return
        send(pids, signal.SIGKILL, wanted)


def send(pids: Iterable[int], number: int, wanted: Callable[[int], bool]) -> None:
    """Send a signal to processes, unless one's number is another process's by now."""
    for pid in pids:
        with suppress(OSError):
            process = os.pidfd_open(pid)
            try:
                if wanted(_mark_of(pid)):
                    signal.pidfd_send_signal(process, number)
            finally:
                os.close(process)


def _mark_of(pid: int) -> int:
    try:
        mark, _ = resource.prlimit(pid, _RLIMIT_LOCKS)
    except PermissionError:  # it runs as another user by now
        limit = procfs.limit(pid, "Max file locks")
        return int(limit) if limit.isdigit() else 0
    except OSError:
        return 0
    return mark if 0 < mark < 1 << (_APP_BITS + _WORKER_BITS) else 0
