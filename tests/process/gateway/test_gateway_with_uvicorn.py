"""The gateway in front of a real service, from the clients' view."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from websockets.asyncio.client import connect

from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable, ServiceState

pytestmark = pytest.mark.anyio


@pytest.fixture
async def client() -> AsyncIterator[MeshClient]:
    async with MeshClient(MeshTable(0)) as client:
        yield client


async def read_until(reader: asyncio.StreamReader, end: bytes) -> bytes:
    async with asyncio.timeout(10):
        return await reader.readuntil(end)


async def test_requests_and_responses(app: Any, service: Any, make_table: Any, client: MeshClient) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path)):
        url = f"http://127.0.0.1:{app.port}"
        response = await client.request("GET", f"{url}/api/hello?x=y", headers=[(b"x-a", b"1")])
        document = json.loads(response.body)
        assert (document["method"], document["path"], document["headers"]["x-a"]) == ("GET", "/hello", "1")
        assert document["headers"]["host"] == f"127.0.0.1:{app.port}"
        assert document["headers"]["x-forwarded-prefix"] == "/api"
        assert document["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert document["headers"]["x-forwarded-host"] == f"127.0.0.1:{app.port}"
        response = await client.request("POST", f"{url}/api/echo", body=b"x" * 3_000_000)
        assert json.loads(response.body)["size"] == 3_000_000
        response = await client.request("HEAD", f"{url}/api/hello")
        assert (response.status, response.body) == (200, b"")
        response = await client.request("GET", f"{url}/api/nothing")
        assert (response.status, response.body) == (404, b"no")
        response = await client.request("GET", f"{url}/api/large")
        assert len(response.body) == 10_000_000
        response = await client.request("GET", f"{url}/nothing")
        assert json.loads(response.body)["message"] == "Route GET:/nothing not found"
        loopback = f"http://127.0.0.1:{app.loopback.getsockname()[1]}"
        assert (await client.request("GET", f"{loopback}/api/hello")).status == 200


@pytest.mark.parametrize(
    ("sent", "seen", "path"),
    [
        (b'/[id]/a|b^c"d?q[]="x"|^', "/%5Bid%5D/a%7Cb%5Ec%22d?q[]=%22x%22|^", '/[id]/a|b^c"d'),
        ("/ä/日本?q=ü".encode(), "/%C3%A4/%E6%97%A5%E6%9C%AC?q=%C3%BC", "/ä/日本"),
        (b"/\xff", "/%FF?", "/\ufffd"),
    ],
)
async def test_targets_of_browsers_and_curl_arrive_encoded(
    app: Any, service: Any, make_table: Any, sent: bytes, seen: str, path: str
) -> None:
    async with service("api") as (endpoint, _), app.gateway(make_table(1, endpoint)):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"GET /api%b HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n" % sent)
        async with asyncio.timeout(10):
            head, _, body = (await reader.read()).partition(b"\r\n\r\n")
        writer.close()
        assert head.startswith(b"HTTP/1.1 200 ")
        document = json.loads(body)
        assert (document["target"], document["path"]) == (seen, path)


async def test_chunked_upload(app: Any, service: Any, make_table: Any) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path)):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
        for _ in range(50):
            writer.write(b"10000\r\n" + b"x" * 0x10000 + b"\r\n")
            await writer.drain()
        writer.write(b"0\r\n\r\n")
        assert b"200 OK" in await read_until(reader, b"\r\n\r\n")
        await read_until(reader, b'"size": 3276800}')
        writer.close()
        await writer.wait_closed()


async def test_streams_arrive_as_they_come_and_end_with_the_client(
    app: Any, service: Any, make_table: Any, client: MeshClient
) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path)):
        reader, writer = await asyncio.open_connection("127.0.0.1", app.port)
        writer.write(b"GET /api/stream HTTP/1.1\r\nHost: a\r\n\r\n")
        await read_until(reader, b"data: first\n\n")
        writer.close()
        await writer.wait_closed()
        response = await client.request("GET", f"http://127.0.0.1:{app.port}/api/disconnected", timeout=10)
        assert response.status == 200


async def test_websocket(app: Any, service: Any, make_table: Any) -> None:
    async with service("api") as (path, _), app.gateway(make_table(1, path)) as context:
        url = f"ws://127.0.0.1:{app.port}/api/ws"
        async with asyncio.timeout(10), connect(url) as socket:
            for text in ("hello", "x" * 200_000):
                await socket.send(text)
                assert await socket.recv() == text.upper()
            # An open tunnel does not hold up the calls that a newer table waits for.
            context.mesh.apply(make_table(2))
            await socket.send("still open")
            assert await socket.recv() == "STILL OPEN"


async def test_own_endpoint_is_trusted(app: Any, service: Any, make_table: Any) -> None:
    async with (
        service("api") as (path, _),
        app.gateway(make_table(1, path)),
        MeshClient(make_table(1, app.endpoint_path())) as inside,
    ):
        headers = [(b"x-forwarded-for", b"10.0.0.1"), (b"x-forwarded-proto", b"https")]
        response = await inside.request("GET", "http://api.plt.local/api/x", headers=headers)
    seen = json.loads(response.body)["headers"]
    assert (seen["x-forwarded-for"], seen["x-forwarded-proto"]) == ("10.0.0.1", "https")


async def test_killed_worker_costs_its_calls_only(
    app: Any, service: Any, make_table: Callable[..., MeshTable], client: MeshClient
) -> None:
    url = f"http://127.0.0.1:{app.port}/api"
    async with (
        service("second") as (second, _),
        service("first") as (first, process),
        app.gateway(make_table(1, first)) as context,
        asyncio.TaskGroup() as tasks,
    ):
        stuck = tasks.create_task(client.request("POST", f"{url}/silence", body=b"x"))
        assert (await client.request("GET", f"{url}/hello")).status == 200
        process.kill()
        await process.wait()
        assert (await stuck).status == 502
        waiting = tasks.create_task(client.request("POST", f"{url}/hello"))
        context.mesh.apply(make_table(2, state=ServiceState.RESTARTING))
        context.mesh.apply(make_table(3, second))
        assert (await waiting).status == 200


async def test_stopping_loses_no_request_while_another_gateway_has_the_socket(
    app: Any, service: Any, make_table: Callable[..., MeshTable]
) -> None:
    async def call_until_done(client: MeshClient) -> None:
        while not done.is_set():
            response = await client.request("POST", f"http://127.0.0.1:{app.port}/api/hello", body=b"x")
            assert response.status == 200
            answered.release()

    async def some_calls() -> None:
        for _ in range(100):
            await answered.acquire()

    done = asyncio.Event()
    answered = asyncio.Semaphore(0)
    async with service("api") as (path, _), MeshClient(MeshTable(0)) as client, asyncio.TaskGroup() as tasks:
        table = make_table(1, path)
        old = app.gateway(table)
        context = await old.__aenter__()
        for _ in range(8):
            tasks.create_task(call_until_done(client))
        await some_calls()
        async with app.gateway(table):
            await old.__aexit__(None, None, None)
            assert context.stop.is_set()
            await some_calls()
            done.set()
