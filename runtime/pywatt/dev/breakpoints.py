"""Lends the terminal of `pywatt dev` to the debuggers of workers, one after the other."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass

import anyio

from pywatt.supervisor.process.debuggers import Debuggers

MAX_REQUEST = 64 * 1024
CHUNK = 64 * 1024
GRANT = b"+"
"""Tells a debugger that the terminal is its own."""


@dataclass(eq=False)
class Pause:
    """A worker whose debugger wants the terminal, or has it."""

    service: str
    debuggers: Debuggers
    place: str
    """File and line of the program."""
    connection: socket.socket
    granted: bool = False


class Breakpoints:
    """The debuggers that wait for the terminal."""

    def __init__(self) -> None:
        self._waiting: deque[Pause] = deque()
        self._arrived = anyio.Event()

    @contextmanager
    def attend(self, service: str, debuggers: Debuggers, sock: socket.socket) -> Iterator[None]:
        """Serve the debuggers of a worker over this socket, which is closed at the end."""
        loop = asyncio.get_running_loop()
        sock.setblocking(False)
        loop.add_reader(sock, self._take, service, debuggers, sock)
        try:
            yield
        finally:
            loop.remove_reader(sock)
            sock.close()

    async def wanted(self) -> None:
        """Wait until a debugger wants the terminal."""
        while not self._waiting:
            await self._arrived.wait()

    async def lend(self, terminal_in: int, terminal_out: int) -> None:
        """Give the terminal to the debugger that came first, until that lets its program go on."""
        pause = self._waiting.popleft()
        try:
            await _converse(pause, terminal_in, terminal_out)
        except asyncio.CancelledError:
            self._waiting.appendleft(pause)  # the job was suspended: it goes on with the same debugger
            raise
        pause.debuggers.finish(pause.connection)
        pause.connection.close()

    def _take(self, service: str, debuggers: Debuggers, sock: socket.socket) -> None:
        try:
            data, descriptors, _, _ = socket.recv_fds(sock, MAX_REQUEST, 1)
        except BlockingIOError:
            return
        except OSError:
            data, descriptors = b"", []
        if not data or not descriptors:
            asyncio.get_running_loop().remove_reader(sock)  # the worker has ended
            return
        connection = socket.socket(fileno=descriptors[0])
        connection.setblocking(False)
        debuggers.begin(connection)
        self._waiting.append(Pause(service, debuggers, str(json.loads(data)["place"]), connection))
        self._arrived.set()
        self._arrived = anyio.Event()


async def _converse(pause: Pause, terminal_in: int, terminal_out: int) -> None:
    loop = asyncio.get_running_loop()
    connection = pause.connection
    with _typed_lines(terminal_in, connection), suppress(OSError):  # the worker has ended
        if not pause.granted:
            pause.granted = True
            text = f"\n{pause.service} stops at {pause.place}: the terminal is its debugger's until it goes on\n"
            _show(terminal_out, text.encode())
            await loop.sock_sendall(connection, GRANT)
        while data := await loop.sock_recv(connection, CHUNK):
            _show(terminal_out, data)


def _show(terminal: int, data: bytes) -> None:
    view = memoryview(data)
    while view:
        view = view[os.write(terminal, view) :]


@contextmanager
def _typed_lines(terminal: int, connection: socket.socket) -> Iterator[None]:
    """Send each typed line to the debugger; Ctrl-D is the end of its input."""
    loop = asyncio.get_running_loop()

    def read() -> None:
        data = os.read(terminal, CHUNK)
        with suppress(OSError):
            if data:
                connection.sendall(data)  # a line of a terminal is smaller than the socket's buffer
            else:
                connection.shutdown(socket.SHUT_WR)

    loop.add_reader(terminal, read)
    try:
        yield
    finally:
        loop.remove_reader(terminal)
