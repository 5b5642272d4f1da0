"""`http://<id>.plt.local` works with common HTTP clients, on either event loop."""

from __future__ import annotations

import asyncio
import os
import socket
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.datastructures import Headers
from websockets.http11 import Request, Response

pytestmark = pytest.mark.anyio

CHILD = Path(__file__).with_name("clients.py")
SYNC = ("requests", "urllib", "httpx", "websockets")
ASYNC = ("httpx", "aiohttp", "aiohttp_threaded", "aiohttp_async", "websockets", "streams")
CALLS = [(client, "none") for client in SYNC] + [(client, loop) for client in ASYNC for loop in ("asyncio", "uvloop")]
every_client = pytest.mark.parametrize(("client", "loop"), CALLS)


@asynccontextmanager
async def host_server() -> AsyncIterator[int]:
    """Answer HTTP and WebSocket requests with their Host header."""

    def answer(connection: ServerConnection, request: Request) -> Response | None:
        if "Upgrade" in request.headers:
            return None
        body = request.headers["Host"].encode()
        return Response(200, "OK", Headers({"Content-Length": str(len(body)), "Connection": "close"}), body)

    async def greet(connection: ServerConnection) -> None:
        assert connection.request is not None
        await connection.send(connection.request.headers["Host"])

    async with serve(greet, "127.0.0.1", 0, process_request=answer) as server:
        yield next(iter(server.sockets)).getsockname()[1]


async def call(client: str, loop: str, port: int, *urls: str) -> list[str]:
    """Call each URL in one child, whose environment names an unused proxy port."""
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        proxy = f"http://127.0.0.1:{nobody.getsockname()[1]}"
        process = await asyncio.create_subprocess_exec(
            *(sys.executable, "-W", "error", str(CHILD), client, loop, str(port), *urls),
            stdout=asyncio.subprocess.PIPE,
            env={**os.environ, "HTTP_PROXY": proxy, "http_proxy": proxy, "no_proxy": "localhost"},
        )
        async with asyncio.timeout(60):
            output, _ = await process.communicate()
    return output.decode().splitlines()


@pytest.mark.parametrize(("client", "loop"), CALLS)
async def test_names_lead_to_services(client: str, loop: str) -> None:
    async with host_server() as port:
        plain, other_port, unknown, without_http, other_host = await call(
            *(client, loop, port, "http://api.plt.local/", "http://API.plt.local:3042/"),
            *("http://apy.plt.local/", "http://consumer.plt.local/", f"http://localhost:{port}/"),
        )
    assert plain == "api.plt.local"
    assert other_port.lower() in ("api.plt.local:3042", "api.plt.local")
    assert unknown.startswith("error: ")
    assert "this app has no service 'apy'; it has: api, consumer" in unknown
    assert "the service 'consumer' does not answer HTTP" in without_http
    assert other_host == f"localhost:{port}"
