"""The supervisor's side of the forkserver: launch it, tell it what to import, have workers forked."""

from __future__ import annotations

import asyncio
import pickle
import socket
import subprocess
import sys
from collections.abc import Iterable, Sequence
from contextlib import suppress

from pywatt.errors import StartError
from pywatt.worker.forkserver import FORGET, FORK, HEADER, PID, PRELOAD
from pywatt.worker.spec import WorkerSpec

BASE_PRELOAD = ("pywatt.worker.main", "pywatt.worker.asgi")
"""What every worker needs, whatever its type."""
_PROGRAM = "import sys; from pywatt.worker.forkserver import serve; serve(int(sys.argv[1]))"


class Forkserver:
    """A process that forks workers from an interpreter which has already imported what they need.

    When it dies it is launched again at the next fork; workers do not notice.
    """

    def __init__(self) -> None:
        self._preload: list[str] = list(BASE_PRELOAD)
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
                    return await self._fork_once(spec, descriptors)
                except (EOFError, OSError):
                    self._control.close()
                    self._launch()
            raise StartError("the forkserver ends as soon as it is started", hint="look at its output above")

    async def forget(self, pid: int) -> None:
        """Tell it that this worker has ended, so that its number may be somebody else's soon."""
        async with self._turn():
            await self._send(FORGET, PID.pack(pid))

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
        body = pickle.dumps(self._preload)
        # A fresh socket's buffer takes these few bytes at once.
        self._control.send(HEADER.pack(PRELOAD, len(body)) + body)
