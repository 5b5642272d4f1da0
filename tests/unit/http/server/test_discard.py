"""Bytes that arrive on a connection after its request was rejected."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from harness.fair_queue import ManualFairQueue

from pywatt.http.server.discard import Discard

pytestmark = pytest.mark.anyio
SIZE = 10_000


class Refused(asyncio.Protocol):
    """A protocol that is replaced."""

    def __init__(self) -> None:
        self.lost = asyncio.Event()

    def data_received(self, data: bytes) -> None:
        raise AssertionError(data)

    def connection_lost(self, exc: Exception | None) -> None:
        self.lost.set()


class Watched(Discard):
    """Records discarded bytes."""

    took: asyncio.Event | None = None

    def buffer_updated(self, nbytes: int) -> None:
        super().buffer_updated(nbytes)
        assert self.took is not None
        self.took.set()


@asynccontextmanager
async def refused() -> AsyncIterator[tuple[Refused, asyncio.Transport, Watched, ManualFairQueue, socket.socket]]:
    """A rejected connection, and its client's socket."""
    client, server = socket.socketpair()
    client.setblocking(False)
    loop = asyncio.get_running_loop()
    transport, protocol = await loop.create_connection(Refused, sock=server)
    queue = ManualFairQueue()
    with client:
        yield protocol, transport, Watched(transport, call_later=queue.call_later), queue, client
        transport.abort()
        await protocol.lost.wait()


async def test_a_client_that_is_silent_is_told_that_nothing_follows() -> None:
    async with refused() as (_, _, _, queue, client):
        queue.pass_time()
        assert await asyncio.get_running_loop().sock_recv(client, 1) == b""


async def test_a_client_that_goes_on_sending_is_not() -> None:
    async with refused() as (_, transport, discard, queue, client):
        for _ in range(5):
            discard.took = asyncio.Event()
            await asyncio.get_running_loop().sock_sendall(client, b"x" * SIZE)
            await discard.took.wait()
            assert not transport.is_reading()
            queue.pass_time()
            with pytest.raises(BlockingIOError):
                client.recv(1)
            assert transport.is_reading()


async def test_a_silent_client_causes_no_timers_until_it_sends_again() -> None:
    async with refused() as (_, transport, discard, queue, client):
        queue.pass_time()
        assert not queue.has_timers
        discard.took = asyncio.Event()
        await asyncio.get_running_loop().sock_sendall(client, b"x")
        await discard.took.wait()
        assert queue.has_timers
        queue.pass_time()
        assert transport.is_reading()


async def test_the_protocol_that_was_replaced_hears_of_the_end() -> None:
    async with refused() as (protocol, _, _, _, client):
        client.close()
        await protocol.lost.wait()


async def test_timers_end_with_the_connection() -> None:
    async with refused() as (protocol, transport, _, queue, _):
        transport.abort()
        await protocol.lost.wait()
        queue.pass_time()
        queue.pass_time()


async def test_who_waits_for_the_end_is_told_of_the_clients_end_and_of_a_loss() -> None:
    client, server = socket.socketpair()
    transport, protocol = await asyncio.get_running_loop().create_connection(Refused, sock=server)
    ended = asyncio.Event()
    with client:
        Discard(transport, call_later=ManualFairQueue().call_later, ended=ended.set)
        client.shutdown(socket.SHUT_WR)
        await ended.wait()
    ended.clear()
    await protocol.lost.wait()
