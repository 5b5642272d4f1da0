"""The supervisor's side of the forkserver: launches it, has it import modules and fork workers."""

from __future__ import annotations

import asyncio
import itertools
import os
import pickle
import random
import signal
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress

from pywatt import procfs
from pywatt.errors import StartError
from pywatt.mesh.table_versions import TableVersions
from pywatt.supervisor.process.kernel_limits import NO_ROOM
from pywatt.supervisor.process.reaper import ExitStatus, Reaper
from pywatt.worker.launch_message import LaunchMessage
from pywatt.worker.process.descendant_mark import new_app_mark, worker_mark
from pywatt.worker.process.forkserver import ADOPT, FORGET, FORK, HEADER, PID, PRELOAD, TABLE

BASE_PRELOAD = ("pywatt.worker.process.main", "pywatt.worker.asgi.serve_asgi")
"""Modules that every worker needs."""
SHORT_LIFE = 1.0
"""Seconds: one that lived for less is not launched again at once."""
LOOK_SECONDS = 1.0
"""Seconds between two checks of a forkserver with an unfinished request."""
IDLE_LOOKS = 10
"""Number of idle checks after which it counts as hung; an import uses the processor or the disk."""
MOST_LOOKS = 60
"""Number of checks after which it counts as hung in any case."""
_PROGRAM = "import sys; from pywatt.worker.process.forkserver import serve; serve(*map(int, sys.argv[1:]))"


class Forkserver:
    """A process that forks workers from an interpreter with their imports already done.

    When it dies, is stopped or hangs, another one is launched; workers do not notice.
    """

    def __init__(self, rng: random.Random | None = None) -> None:
        self._preload: list[str] = list(BASE_PRELOAD)
        self._groups: set[int] = set()
        """Process groups that it ends when this process is gone."""
        self._lock: asyncio.Lock | None = None
        self._reaper: Reaper | None = None
        self._exited: asyncio.Future[ExitStatus] | None = None
        self._table_version = 0
        """Version of its mesh table."""
        self.app_mark = new_app_mark(rng or random.Random())  # noqa: S311 - no secret
        """The mark of all processes that the app starts: see `pywatt.worker.process.descendant_mark`."""
        self._marks = itertools.count()
        self._launch()

    def new_mark(self) -> int:
        """Return a mark for a new worker."""
        return worker_mark(self.app_mark, next(self._marks))

    async def preload(self, modules: Iterable[str]) -> None:
        """Import these modules before the next fork."""
        async with self._exclusive():
            new = [module for module in dict.fromkeys(modules) if module not in self._preload]
            if new:
                self._preload += new
                await self._send(PRELOAD, pickle.dumps(new))

    async def fork(
        self, spec: LaunchMessage, descriptors: Sequence[int], versions: TableVersions, wanted: Callable[[], bool]
    ) -> tuple[int, int]:
        """Fork a worker; return its pid and the version of the mesh table that it has.

        `wanted` is asked when its turn has come. Raises StartError when it is not wanted any more, or the forkserver
        cannot be kept alive; OSError when none can be launched.
        """
        async with self._exclusive():
            for _attempt in range(2):
                if not wanted():
                    raise StartError("it is not wanted any more")
                try:
                    await self._tell_table(versions)
                    version = self._table_version
                    pid = await self._fork_once(spec, descriptors)
                except (EOFError, OSError):
                    self._launch_anew()
                    continue
                self._groups.add(pid)
                return pid, version
            raise StartError("the forkserver ends as soon as it is started", hint="look at its output above")

    async def adopt(self, pid: int) -> None:
        """Add a process group that it kills if this process is gone."""
        async with self._exclusive():
            self._groups.add(pid)
            await self._send(ADOPT, PID.pack(pid))

    async def forget(self, pid: int) -> None:
        """Tell it that this process has ended, so that its number may soon be reused."""
        async with self._exclusive():
            self._groups.discard(pid)
            await self._send(FORGET, PID.pack(pid))

    async def stay(self, reaper: Reaper, on_launch: Callable[[ExitStatus], None]) -> None:
        """Launch it again whenever it ends, until cancelled: it ends the processes that a killed supervisor leaves."""
        loop = asyncio.get_running_loop()
        self._reaper = reaper
        self._exited = reaper.watch(self.pid)
        while True:
            exited, launched = self._exited, loop.time()
            status = await asyncio.shield(exited)
            if loop.time() - launched < SHORT_LIFE:
                await asyncio.sleep(SHORT_LIFE)
            while self._exited is exited:
                try:
                    async with self._exclusive():
                        if self._exited is exited:
                            self._launch_anew()
                except OSError:  # no descriptors or memory now
                    await asyncio.sleep(SHORT_LIFE)
            on_launch(status)

    def close(self) -> None:
        """End it, with every worker that it forked and that has not been forgotten."""
        self._control.close()
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGCONT)  # one that is stopped would stay for ever
        os.close(self._process)

    def _exclusive(self) -> asyncio.Lock:
        """Return the lock that keeps requests whole; made here because the process is launched before any loop runs."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    async def _send(self, request: bytes, body: bytes) -> None:
        """Send a request that has no answer. When it has ended, the next fork launches another one and tells it all."""
        with suppress(OSError), self._watched():
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._control, HEADER.pack(request, len(body)) + body)

    async def _tell_table(self, versions: TableVersions) -> None:
        if self._table_version != versions.table.version:
            body = pickle.dumps(versions.delta(self._table_version))
            with self._watched():
                loop = asyncio.get_running_loop()
                await loop.sock_sendall(self._control, HEADER.pack(TABLE, len(body)) + body)
            self._table_version = versions.table.version
            versions.told(len(body))

    async def _fork_once(self, spec: LaunchMessage, descriptors: Sequence[int]) -> int:
        loop = asyncio.get_running_loop()
        body = spec.to_bytes()
        with self._watched():
            socket.send_fds(self._control, [HEADER.pack(FORK, len(body))], list(descriptors))
            await loop.sock_sendall(self._control, body)
            answer = b""
            while len(answer) < PID.size:
                chunk = await loop.sock_recv(self._control, PID.size - len(answer))
                if not chunk:
                    raise EOFError("the forkserver ended")
                answer += chunk
        (pid,) = PID.unpack(answer)
        if pid < 0:
            raise StartError(f"no process can be forked for it: {os.strerror(-pid)}", hint=NO_ROOM)
        return int(pid)

    @contextmanager
    def _watched(self) -> Iterator[None]:
        """Within this context, kill it when it is stopped or hangs: a waiting request then sees its end."""
        loop = asyncio.get_running_loop()
        process, pid = self._process, self.pid
        looks, idle, used = 0, 0, 0.0
        timer: asyncio.TimerHandle

        def look() -> None:
            nonlocal timer, looks, idle, used
            looks += 1
            state, now = procfs.state(pid)[:1], procfs.cpu_seconds([pid])
            idle = 0 if now > used or state in "RD" else idle + 1
            used = now
            if state in "Tt" or idle >= IDLE_LOOKS or looks >= MOST_LOOKS:
                with suppress(ProcessLookupError):
                    signal.pidfd_send_signal(process, signal.SIGKILL)
            else:
                timer = loop.call_later(LOOK_SECONDS, look)

        timer = loop.call_later(LOOK_SECONDS, look)
        try:
            yield
        finally:
            timer.cancel()

    def _launch_anew(self) -> None:
        """Launch another one. Raises OSError; the next fork then tries again."""
        # Should it still live, it would take the end of its socket for the end of this process, and end all workers.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._process, signal.SIGKILL)
        control, process = self._control, self._process
        self._launch()
        control.close()
        os.close(process)

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        try:
            with theirs:
                # -P: what lies in the current folder is none of its modules.
                launched = subprocess.Popen(
                    [sys.executable, "-P", "-c", _PROGRAM, str(theirs.fileno()), str(self.app_mark)],
                    pass_fds=(theirs.fileno(),),
                    stdin=subprocess.DEVNULL,
                    start_new_session=True,
                )
            # The reaper collects it like any other child; without this, Popen would warn that it still runs.
            launched.returncode = 0
            process = os.pidfd_open(launched.pid)
        except BaseException:
            ours.close()  # if it has begun, it ends
            raise
        self.pid, self._process = launched.pid, process
        self._control = ours
        self._control.setblocking(False)
        self._table_version = 0
        if self._reaper is not None:
            self._exited = self._reaper.watch(self.pid)
        # A fresh socket's buffer takes these few bytes at once.
        for request, body in ((PRELOAD, pickle.dumps(self._preload)), (ADOPT, b"".join(map(PID.pack, self._groups)))):
            self._control.send(HEADER.pack(request, len(body)) + body)
