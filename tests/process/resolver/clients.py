"""The child of the resolver's tests: installs the resolver as a worker does, then calls a service with one client.

Usage: clients.py CLIENT LOOP PORT URL... Prints a line for each URL: the answer's body, or what the client raised.
"""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Coroutine
from typing import Any

from pywatt.mesh.resolver_patches import install, new_event_loop
from pywatt.mesh.table import MeshService, MeshTable, ServiceState


def call_requests(url: str) -> str:
    import requests

    with requests.Session() as session:
        return session.get(url, timeout=10).text


def call_urllib(url: str) -> str:
    from urllib.request import urlopen

    with urlopen(url, timeout=10) as answer:
        return str(answer.read().decode())


def call_httpx(url: str) -> str:
    import httpx

    return httpx.get(url).text


def call_websockets(url: str) -> str:
    from websockets.sync.client import connect

    with connect(url.replace("http", "ws", 1)) as websocket:
        return str(websocket.recv())


async def acall_httpx(url: str) -> str:
    import httpx

    async with httpx.AsyncClient() as client:
        return (await client.get(url)).text


async def acall_aiohttp(url: str) -> str:
    import aiohttp

    async with aiohttp.ClientSession() as session, session.get(url) as answer:
        return await answer.text()


async def acall_aiohttp_threaded(url: str) -> str:
    import aiohttp

    connector = aiohttp.TCPConnector(resolver=aiohttp.ThreadedResolver())
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return await answer.text()


async def acall_aiohttp_async(url: str) -> str:
    import aiohttp

    connector = aiohttp.TCPConnector(resolver=aiohttp.AsyncResolver())
    async with aiohttp.ClientSession(connector=connector) as session, session.get(url) as answer:
        return await answer.text()


async def acall_websockets(url: str) -> str:
    from websockets.asyncio.client import connect

    async with connect(url.replace("http", "ws", 1)) as websocket:
        return str(await websocket.recv())


async def acall_streams(url: str) -> str:
    authority = url.removeprefix("http://").rstrip("/")
    host, _, port = authority.partition(":")
    reader, writer = await asyncio.open_connection(host, int(port or 80))
    writer.write(b"GET / HTTP/1.1\r\nHost: %b\r\nConnection: close\r\n\r\n" % authority.encode())
    answer = await reader.read()
    writer.close()
    return answer.rpartition(b"\r\n\r\n")[2].decode()


SYNC: dict[str, Callable[[str], str]] = {
    name.removeprefix("call_"): function for name, function in globals().items() if name.startswith("call_")
}
ASYNC: dict[str, Callable[[str], Coroutine[Any, Any, str]]] = {
    name.removeprefix("acall_"): function for name, function in globals().items() if name.startswith("acall_")
}


def reasons(error: BaseException | None) -> str:
    """Return the texts of an error and of all its causes."""
    told = []
    while error is not None:
        told.append(f"{type(error).__name__}: {error}")
        error = error.__cause__ or error.__context__
    return " <- ".join(told)


def main(client: str, loop: str, port: int, urls: list[str]) -> None:
    ready = ServiceState.READY
    tables = [
        MeshTable(1),
        MeshTable(
            2,
            {
                "api": MeshService("api", ready, port),
                "consumer": MeshService("consumer", ready, None),
                "broker": MeshService("broker", ready, None, internal=True),
            },
        ),
    ]
    install(lambda: tables[-1])
    for url in urls:
        try:
            print(answer(client, loop, url))
        except Exception as error:  # noqa: BLE001 - each client has errors of its own
            print(f"error: {reasons(error)}")


def answer(client: str, loop: str, url: str) -> str:
    if loop == "none":
        return SYNC[client](url)
    factory: Any = new_event_loop if loop == "uvloop" else asyncio.new_event_loop
    with asyncio.Runner(loop_factory=factory) as runner:
        return runner.run(ASYNC[client](url))


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), sys.argv[4:])
