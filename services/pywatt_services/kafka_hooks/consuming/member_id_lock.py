"""Ensures that one living worker at a time uses a static member id on this host.

A reload starts the new worker of a slot before it stops the old one. With one member id they would expel each other
from the group, over and over. So a worker holds its id by listening at a name derived from it (in Linux's abstract
namespace, so that it goes with the process, however that ends), and tells every client which supervisor owns it. A
worker that waits for the id does the same: a holder without a waiting successor knows that its id is not used again.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import re
import socket
import struct
import sys
import zlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager
from typing import Protocol, cast

import anyio

logger = logging.getLogger("pywatt.kafka_hooks")

STRANGER_WAIT = 3.0  # seconds for a worker of another supervisor to end: it may just have been killed
RETRY = 0.05  # seconds until a name is tried again whose holder does not listen yet, or not any more
OWNER_BYTES = 8
NUMBERS = 64
"""Names that are tried; only processes that bind them on purpose hold so many."""
PEER_CREDENTIALS = struct.Struct("=iII")
"""`ucred`: pid, uid, gid."""
MAX_NAME = 249  # characters


def legal_kafka_name(name: str) -> str:
    """Return a name with only the characters that Kafka allows; too long ones lose their beginning."""
    return re.sub(r"[^A-Za-z0-9._-]", "-", name)[-MAX_NAME:]


def subscription_mark(topics: Iterable[str], pattern: str | None) -> str:
    """Return a mark that tells members with different topics apart.

    A broker gives a returning static member its old assignment, even when it subscribes to other topics now.
    """
    text = "\n".join([*sorted(topics), pattern or ""])
    return f"{zlib.crc32(text.encode()):08x}"


class HeldMemberId(Protocol):
    """A member id that is held."""

    @property
    def instance_id(self) -> str: ...

    @property
    def has_successor(self) -> bool:
        """True if another worker of the same supervisor waits for it, or that cannot be known."""
        ...


@asynccontextmanager
async def hold(
    instance_id: str, group: str, *, owner: int | None = None, waiting: Callable[[], None] = lambda: None
) -> AsyncIterator[HeldMemberId]:
    """Hold a member id of a group while the context lasts; wait for its current holder.

    If that is a worker of another supervisor (a second copy of the app on this host), another id is taken: the same
    with a number appended. `owner`: the supervisor, by default this process's parent. `waiting` is called when there is
    a holder to wait for.
    """
    if sys.platform != "linux":
        yield _Unwatched(instance_id)
        return
    me = os.getppid() if owner is None else owner
    taken = await _take(instance_id, group, me, waiting)
    if taken is None:
        unwatched = f"{instance_id}.{os.getpid()}"
        logger.warning("all names of the member id %s are held by others; this worker is %s", instance_id, unwatched)
        yield _Unwatched(unwatched)
        return
    held, listener = taken
    holder = _Holder(held, me)
    server = await asyncio.get_running_loop().create_unix_server(holder.connection, sock=listener)
    try:
        yield holder
    finally:
        server.close()
        holder.close()


async def _take(instance_id: str, group: str, me: int, waiting: Callable[[], None]) -> tuple[str, socket.socket] | None:
    for number in range(1, NUMBERS + 1):
        candidate = instance_id if number == 1 else f"{instance_id}.{number}"
        name = b"\0pywatt-member-" + hashlib.sha256(f"{group}\0{candidate}".encode()).hexdigest().encode()
        while True:
            listener = _listen(name)
            if listener is not None:
                return candidate, listener
            waiting()
            if not await _gone(name, me):
                break
    return None


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
        user = _user_of(caller)
    except OSError:
        caller.close()
        await anyio.sleep(RETRY)
        return True
    if user != os.getuid():
        logger.warning("another user (uid %d) of this machine holds a member id of this app", user)
        caller.close()
        return False
    reader, writer = await asyncio.open_unix_connection(sock=caller)
    try:
        writer.write(me.to_bytes(OWNER_BYTES))
        owner = None
        with anyio.move_on_after(STRANGER_WAIT):
            owner = await reader.read(OWNER_BYTES)
        if owner is None:
            return False
        if owner:
            with anyio.move_on_after(None if int.from_bytes(owner) == me else STRANGER_WAIT):
                await reader.read()
                return True
            return False
    except ConnectionError as error:
        logger.debug("whoever has a member id broke off: %s", error)
    finally:
        writer.close()
    await anyio.sleep(RETRY)  # it was just going, or is no holder at all
    return True


def _user_of(caller: socket.socket) -> int:
    """Return the uid of the process that listens at the other end."""
    credentials = caller.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, PEER_CREDENTIALS.size)
    return int(PEER_CREDENTIALS.unpack(credentials)[1])


class _Unwatched:
    """A member id on a platform without a way to wait for its holder."""

    has_successor = True

    def __init__(self, instance_id: str) -> None:
        self.instance_id = instance_id


class _Holder:
    """Tells every connection the owner, reads theirs, and keeps it open to the end."""

    def __init__(self, instance_id: str, owner: int) -> None:
        self.instance_id = instance_id
        self.greeting = owner.to_bytes(OWNER_BYTES)
        self.waiting: set[_WaiterConnection] = set()
        self.closed = False

    @property
    def has_successor(self) -> bool:
        return any(connection.heard == self.greeting for connection in self.waiting)

    def connection(self) -> asyncio.Protocol:
        return _WaiterConnection(self)

    def close(self) -> None:
        self.closed = True
        for connection in self.waiting:
            connection.close()


class _WaiterConnection(asyncio.Protocol):
    def __init__(self, holder: _Holder) -> None:
        self._holder = holder
        self._transport: asyncio.WriteTransport | None = None
        self.heard = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.WriteTransport, transport)  # uvloop's is none, but does all that one does
        self._holder.waiting.add(self)
        self._transport.write(self._holder.greeting)
        if self._holder.closed:  # it was taken just before
            self.close()

    def data_received(self, data: bytes) -> None:
        self.heard += data

    def connection_lost(self, exc: Exception | None) -> None:
        self._holder.waiting.discard(self)

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()
