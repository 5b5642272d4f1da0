"""WebSockets whose connection to the service is lost, through a real gateway."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest
import websockets

from pywatt.mesh.table import MeshTable


@pytest.fixture
def table(make_table: Callable[..., MeshTable]) -> MeshTable:
    return make_table(1)


def document(port: int, **reconnect: Any) -> dict[str, Any]:
    ws = {"upstream": f"ws://127.0.0.1:{port}", "reconnect": {"reconnectInterval": 10, **reconnect}}
    return {"gateway": {"applications": [{"id": "api", "proxy": {"ws": ws}}]}}


class Chat:
    """A service that answers each message with the number of its connection, and does what a message says."""

    def __init__(self) -> None:
        self.sockets: list[Any] = []

    async def __call__(self, socket: Any) -> None:
        self.sockets.append(socket)
        number = len(self.sockets)
        with suppress(websockets.ConnectionClosed):
            async for message in socket:
                if message == "abort":
                    socket.transport.abort()
                    return
                if message == "close":
                    return
                await socket.send(f"{number}:{message}")

    async def reached(self, count: int) -> None:
        """Wait for so many connections."""
        async with asyncio.timeout(20):
            while len(self.sockets) < count:
                await asyncio.to_thread(lambda: None)

    @property
    def port(self) -> int:
        port: int = next(iter(self.server.sockets)).getsockname()[1]
        return port

    async def serve(self, port: int = 0) -> Any:
        self.server = await websockets.serve(self, "127.0.0.1", port)
        return self.server


@asynccontextmanager
async def client_of(app: Any) -> AsyncIterator[Any]:
    async with websockets.connect(f"ws://127.0.0.1:{app.port}/api/") as client, asyncio.timeout(30):
        yield client


async def test_the_client_stays_when_the_connection_is_lost(app: Any, table: MeshTable) -> None:
    chat = Chat()
    async with await chat.serve(), app.gateway(table, document(chat.port, logs=True)), client_of(app) as client:
        assert client.response is not None
        assert "sec-websocket-extensions" not in client.response.headers
        for number in (1, 2, 3):
            await client.send("hi")
            assert await client.recv() == f"{number}:hi"
            await client.send("abort")
            await chat.reached(number + 1)
        await client.send("late")
        assert await client.recv() == "4:late"
        await (await client.ping())


async def test_a_service_that_is_away_is_tried_again(app: Any, table: MeshTable) -> None:
    chat = Chat()
    server = await chat.serve()
    port = chat.port
    async with app.gateway(table, document(port)), client_of(app) as client:
        await client.send("a")
        assert await client.recv() == "1:a"
        server.close(close_connections=False)
        chat.sockets[0].transport.abort()
        await server.wait_closed()
        await client.send("while away")
        async with await chat.serve(port):
            assert await client.recv() == "2:while away"


async def test_attempts_have_an_end(app: Any, table: MeshTable) -> None:
    chat = Chat()
    server = await chat.serve()
    async with app.gateway(table, document(chat.port, maxReconnectionRetries=2)), client_of(app) as client:
        server.close(close_connections=False)
        await client.send("abort")
        with pytest.raises(websockets.ConnectionClosed):
            await client.recv()
    await server.wait_closed()


@pytest.mark.parametrize("on_close", [False, True])
async def test_an_orderly_close(app: Any, table: MeshTable, on_close: bool) -> None:
    chat = Chat()
    async with (
        await chat.serve(),
        app.gateway(table, document(chat.port, reconnectOnClose=on_close)),
        client_of(app) as client,
    ):
        await client.send("close")
        if on_close:
            await chat.reached(2)
            await client.send("again")
            assert await client.recv() == "2:again"
        else:
            with pytest.raises(websockets.ConnectionClosedOK):
                await client.recv()
            assert len(chat.sockets) == 1


async def test_a_service_without_pongs_counts_as_lost(app: Any, table: MeshTable) -> None:
    chat = Chat()
    async with await chat.serve(), app.gateway(table, document(chat.port, pingInterval=50)), client_of(app) as client:
        await client.send("a")
        assert await client.recv() == "1:a"
        while len(chat.sockets) == 1:
            # It answers no pings from now on, as a machine that is gone.
            chat.sockets[0].transport.pause_reading()
            await asyncio.to_thread(lambda: None)
        await client.send("b")
        assert str(await client.recv()).startswith("2:")
        # The pongs to the gateway's own pings are not for the client: it has got messages only.
        chat.sockets[0].transport.abort()


async def test_clients_that_leave_end_it(app: Any, table: MeshTable) -> None:
    chat = Chat()
    async with (
        await chat.serve(),
        app.gateway(table, document(chat.port, reconnectInterval=60_000)),
        client_of(app) as client,
    ):
        await client.send("abort")
        await chat.sockets[0].wait_closed()
        # The gateway stops at the end of the block although the next attempt is a minute away.
