"""The supervisor's side of the forkserver: launch it, tell it what to import, have workers forked."""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress

from pywatt.errors import StartError
from pywatt.supervisor.reaper import ExitStatus, Reaper
from pywatt.worker.forkserver import ADOPT, FORGET, FORK, HEADER, PID, PRELOAD
from pywatt.worker.spec import WorkerSpec

BASE_PRELOAD = ("pywatt.worker.main", "pywatt.worker.asgi")
"""What every worker needs, whatever its type."""
SHORT_LIFE = 1.0
"""Seconds: one that lived for less is not launched again at once."""
_PROGRAM = "import sys; from pywatt.worker.forkserver import serve; serve(int(sys.argv[1]))"


class Forkserver:
    """A process that forks workers from an interpreter which has already imported what they need.

    When it dies it is launched again; workers do not notice.
    """

    def __init__(self) -> None:
        self._preload: list[str] = list(BASE_PRELOAD)
        self._groups: set[int] = set()
        """Process groups that it ends when this process is gone."""
        self._lock: asyncio.Lock | None = None
        self._launch()

    async def preload(self, modules: Iterable[str]) -> None:
        """Have these modules imported before the next fork."""
        async with self._turn():
            new = [module for module in dict.fromkeys(modules) if module not in self._preload]
            if new:
                self._preload += new
                await self._send(PRELOAD, pickle.dumps(new))

    async def fork(self, spec: WorkerSpec, descriptors: Sequence[int]) -> int:
        """Fork a worker and return its pid. Raises StartError when the forkserver cannot be kept alive."""
        async with self._turn():
            for _attempt in range(2):
                try:
                    pid = await self._fork_once(spec, descriptors)
                    self._groups.add(pid)
                    return pid
                except (EOFError, OSError):
                    self._control.close()
                    self._launch()
            raise StartError("the forkserver ends as soon as it is started", hint="look at its output above")

    async def adopt(self, pid: int) -> None:
        """Have it end this process group, too, should this process be gone."""
        async with self._turn():
            self._groups.add(pid)
            await self._send(ADOPT, PID.pack(pid))

    async def forget(self, pid: int) -> None:
        """Tell it that this process has ended, so that its number may be somebody else's soon."""
        async with self._turn():
            self._groups.discard(pid)
            await self._send(FORGET, PID.pack(pid))

    async def stay(self, reaper: Reaper, on_launch: Callable[[ExitStatus], None]) -> None:
        """Launch it again whenever it ends, until cancelled: nobody else would end what this process leaves behind."""
        loop = asyncio.get_running_loop()
        while True:
            pid, launched = self.pid, loop.time()
            status = await asyncio.shield(reaper.watch(pid))
            if loop.time() - launched < SHORT_LIFE:
                await asyncio.sleep(SHORT_LIFE)
            async with self._turn():
                if self.pid == pid:
                    self._control.close()
                    self._launch()
            on_launch(status)

    def close(self) -> None:
        """End it, with every worker that it forked and that has not been forgotten."""
        self._control.close()

    def _turn(self) -> asyncio.Lock:
        """Return the lock that keeps requests whole; made here because the process is launched before any loop runs."""
        if self._lock is None:
            self._lock = asyncio.Lock()
        return self._lock

    async def _send(self, request: bytes, body: bytes) -> None:
        """Send a request that has no answer. When it has ended, the next fork launches another one and tells it all."""
        with suppress(OSError):
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(self._control, HEADER.pack(request, len(body)) + body)

    async def _fork_once(self, spec: WorkerSpec, descriptors: Sequence[int]) -> int:
        loop = asyncio.get_running_loop()
        body = spec.to_bytes()
        socket.send_fds(self._control, [HEADER.pack(FORK, len(body))], list(descriptors))
        await loop.sock_sendall(self._control, body)
        answer = b""
        while len(answer) < PID.size:
            chunk = await loop.sock_recv(self._control, PID.size - len(answer))
            if not chunk:
                raise EOFError("the forkserver ended")
            answer += chunk
        (pid,) = PID.unpack(answer)
        return int(pid)

    def _launch(self) -> None:
        ours, theirs = socket.socketpair()
        with theirs:
            process = subprocess.Popen(
                [sys.executable, "-c", _PROGRAM, str(theirs.fileno())],
                pass_fds=(theirs.fileno(),),
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        # The reaper collects it like any other child; without this, Popen would warn that it still runs.
        process.returncode = 0
        self.pid = process.pid
        self._control = ours
        self._control.setblocking(False)
        # A fresh socket's buffer takes these few bytes at once.
        for request, body in ((PRELOAD, pickle.dumps(self._preload)), (ADOPT, b"".join(map(PID.pack, self._groups)))):
            self._control.send(HEADER.pack(request, len(body)) + body)
