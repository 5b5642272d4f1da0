"""Relays connections of listening sockets to a program's address, byte by byte, with backpressure both ways."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import cast

import anyio
from anyio.abc import TaskGroup

from pywatt.http.server.own_user import REFUSAL, is_own
from pywatt_services.command.listening import Address


class Relay:
    """Accepts connections and relays them to one address of this machine."""

    def __init__(self, address: Address, tasks: TaskGroup) -> None:
        self._address = address
        self._tasks = tasks
        self._accepting: list[anyio.CancelScope] = []
        self._open = 0
        self._none_open = asyncio.Event()
        self._none_open.set()

    async def accept(self, listener: socket.socket, *, own_user_only: bool) -> None:
        """Accept until told to stop, then close the listening socket, which the relay owns from now on.

        `own_user_only`: refuse programs of other users of this machine.
        """
        listener.setblocking(False)
        loop = asyncio.get_running_loop()
        with listener, anyio.CancelScope() as scope:
            self._accepting.append(scope)
            while True:
                client, address = await loop.sock_accept(listener)
                if own_user_only and not is_own(address, client.getsockname()):
                    with client, suppress(OSError):
                        client.send(REFUSAL)
                    continue
                self._tasks.start_soon(self._lead, client)

    def stop_accepting(self) -> None:
        """Close the listening sockets; open connections go on."""
        for scope in self._accepting:
            scope.cancel()

    async def flushed(self, limit: float) -> None:
        """Wait until no connection is open, at most for the given seconds."""
        with anyio.move_on_after(limit):
            await self._none_open.wait()

    async def _lead(self, client: socket.socket) -> None:
        loop = asyncio.get_running_loop()
        near, onward = _joined_ends()
        self._open += 1
        self._none_open.clear()
        try:
            with suppress(OSError):  # the client is gone already, or the program refuses: its stand-in closes
                await loop.connect_accepted_socket(lambda: near, client)
                await loop.create_connection(lambda: onward, self._address.host, self._address.port)
                await onward.closed.wait()
                await near.closed.wait()
        finally:
            near.close()
            onward.close()
            self._open -= 1
            if not self._open:
                self._none_open.set()


@asynccontextmanager
async def relaying(address: Address, loopback: socket.socket, public: socket.socket | None) -> AsyncIterator[Relay]:
    """Relay connections while in the context; leaving it closes the remaining ones."""
    async with anyio.create_task_group() as tasks:
        relay = Relay(address, tasks)
        tasks.start_soon(partial(relay.accept, loopback, own_user_only=True))
        if public is not None:
            tasks.start_soon(partial(relay.accept, public, own_user_only=False))
        yield relay
        tasks.cancel_scope.cancel()


class _End(asyncio.Protocol):
    """One end of a relayed connection: the other end writes the bytes that this one reads."""

    other: _End

    def __init__(self) -> None:
        self.closed = asyncio.Event()
        self.transport: asyncio.Transport | None = None
        self.early = b""
        """Forward the bytes that were read before the other end was open."""
        self.has_ended = False

    def close(self) -> None:
        """Close this end once its queued bytes are sent."""
        if self.transport is not None:
            self.transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast("asyncio.Transport", transport)
        if self.other.transport is None:
            return
        self.transport.write(self.other.early)
        if self.other.has_ended:
            self.transport.write_eof()
        if self.other.closed.is_set():
            self.transport.close()
        else:
            self.other.transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        if self.other.transport is not None:
            self.other.transport.write(data)
        else:
            assert self.transport is not None
            self.early += data
            self.transport.pause_reading()  # until there is somebody to hand it to

    def eof_received(self) -> bool:
        self.has_ended = True
        if self.other.has_ended:
            self.other.close()
            return False
        if self.other.transport is not None and self.other.transport.can_write_eof():
            self.other.transport.write_eof()
        return True  # the other direction may go on

    def pause_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.pause_reading()

    def resume_writing(self) -> None:
        if self.other.transport is not None:
            self.other.transport.resume_reading()

    def connection_lost(self, exc: Exception | None) -> None:
        self.closed.set()
        self.other.close()


def _joined_ends() -> tuple[_End, _End]:
    near, onward = _End(), _End()
    near.other, onward.other = onward, near
    return near, onward
