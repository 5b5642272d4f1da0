"""Takes the exit status of every process that ends below the supervisor, orphaned grandchildren included."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ExitStatus:
    """The exit status of a process: an exit code, or minus the signal's number."""

    code: int

    def __str__(self) -> str:
        if self.code < 0:
            with suppress(ValueError):
                return f"killed by {signal.Signals(-self.code).name}"
            return f"killed by signal {-self.code}"
        return f"exit status {self.code}"


class Reaper:
    """Hands each child's exit status to its watcher."""

    def __init__(self) -> None:
        self._watched: dict[int, asyncio.Future[ExitStatus]] = {}
        self._unclaimed: dict[int, ExitStatus] = {}
        self._expected = 0

    @contextmanager
    def expecting(self) -> Iterator[None]:
        """Within this context a child may end before its pid is known here: its status is kept for `watch`."""
        self._expected += 1
        try:
            yield
        finally:
            self._expected -= 1
            if not self._expected:
                self._unclaimed.clear()

    def watch(self, pid: int) -> asyncio.Future[ExitStatus]:
        """Return a future of the child's exit status; its whole process group is ended with it."""
        future: asyncio.Future[ExitStatus] = asyncio.get_running_loop().create_future()
        if pid in self._unclaimed:
            future.set_result(self._unclaimed.pop(pid))
            _end_group(pid)
        else:
            self._watched[pid] = future
        return future

    def reap(self) -> None:
        """Collect every child that has ended."""
        while True:
            try:
                # Look first, collect later: while the leader is a zombie, its group's number cannot be given anew.
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            future = self._watched.pop(ended.si_pid, None)
            if future is not None:
                _end_group(ended.si_pid)
            _, status = os.waitpid(ended.si_pid, 0)
            result = ExitStatus(os.waitstatus_to_exitcode(status))
            if future is None:
                # Somebody's orphan; or a worker whose pid is still on its way from the forkserver.
                if self._expected:
                    self._unclaimed[ended.si_pid] = result
            elif not future.cancelled():
                future.set_result(result)


def _end_group(pid: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(pid, signal.SIGKILL)


@asynccontextmanager
async def open_reaper() -> AsyncIterator[Reaper]:
    """Reap on every SIGCHLD; only one can be open in a process."""
    loop = asyncio.get_running_loop()
    reaper = Reaper()
    loop.add_signal_handler(signal.SIGCHLD, reaper.reap)
    try:
        reaper.reap()
        yield reaper
    finally:
        loop.remove_signal_handler(signal.SIGCHLD)
