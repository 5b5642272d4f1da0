"""Sees to it that a static member id is used by one living worker at a time on this host.

A reload starts the new worker of a slot before it stops the old one. With one member id they would throw each other out
of the group, over and over. So a worker holds its id by listening at a name made from it (in Linux's abstract
namespace, so it goes with the process, however that ends), and tells whoever connects who its supervisor is.
"""

from __future__ import annotations

import asyncio
import hashlib
import itertools
import os
import re
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

STRANGER_WAIT = 3.0  # seconds for a worker of another supervisor to end: it may just have been killed
RETRY = 0.05  # seconds until a name is tried again whose holder does not listen yet, or not any more
OWNER_BYTES = 8
MAX_NAME = 249  # characters


def legal_name(name: str) -> str:
    """Return a name with only the characters that Kafka allows; too long ones lose their beginning."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[-MAX_NAME:]


@asynccontextmanager
async def hold(instance_id: str, group: str, *, owner: int | None = None) -> AsyncIterator[str]:
    """Hold a member id of a group while the context lasts; waits for the one who has it.

    If that is a worker of another supervisor (a second copy of the app on this host), another id is taken: the same
    with a number behind it. `owner`: the supervisor, this process's parent by default.
    """
    if sys.platform != "linux":
        yield instance_id
        return
    me = os.getppid() if owner is None else owner
    held, listener = await _take(instance_id, group, me)
    holder = _Holder(me)
    server = await asyncio.get_running_loop().create_unix_server(holder.connection, sock=listener)
    try:
        yield held
    finally:
        server.close()
        holder.close()


async def _take(instance_id: str, group: str, me: int) -> tuple[str, socket.socket]:
    for number in itertools.count(1):
        candidate = instance_id if number == 1 else f"{instance_id}.{number}"
        name = b"\0pywatt-member-" + hashlib.sha256(f"{group}\0{candidate}".encode()).hexdigest().encode()
        while True:
            listener = _listen(name)
            if listener is not None:
                return candidate, listener
            if not await _gone(name, me):
                break
    raise AssertionError("there is always another number")


def _listen(name: bytes) -> socket.socket | None:
    listener = socket.socket(socket.AF_UNIX)
    try:
        listener.bind(name)
        listener.listen()
    except OSError:
        listener.close()
        return None
    listener.setblocking(False)
    return listener


async def _gone(name: bytes, me: int) -> bool:
    """Wait until the holder of a name is gone; False when it is a stranger who stays."""
    caller = socket.socket(socket.AF_UNIX)
    try:
        caller.connect(name)  # never waits; uvloop itself cannot connect to an abstract name
        caller.setblocking(False)
    except OSError:
        caller.close()
        await anyio.sleep(RETRY)
        return True
    reader, writer = await asyncio.open_unix_connection(sock=caller)
    try:
        owner = int.from_bytes(await reader.read(OWNER_BYTES))
        with anyio.move_on_after(None if owner == me else STRANGER_WAIT):
            await reader.read()
            return True
        return False
    except ConnectionError:
        return True
    finally:
        writer.close()


class _Holder:
    """Tells every connection who the owner is, and keeps it open to the end."""

    def __init__(self, owner: int) -> None:
        self._greeting = owner.to_bytes(OWNER_BYTES)
        self._transports: list[asyncio.WriteTransport] = []

    def connection(self) -> asyncio.Protocol:
        return _Connection(self._greeting, self._transports)

    def close(self) -> None:
        for transport in self._transports:
            transport.close()


class _Connection(asyncio.Protocol):
    def __init__(self, greeting: bytes, transports: list[asyncio.WriteTransport]) -> None:
        self._greeting = greeting
        self._transports = transports

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self._transports.append(transport)
        transport.write(self._greeting)
