"""Requests to a served application and its answers, on each of a worker's sockets."""

from __future__ import annotations

import sys
from collections.abc import Awaitable, Callable
from functools import partial

import httpx
import pytest
from harness.applications import Echo, Recorder
from harness.context import Worker, exchange, ready, start
from websockets.asyncio.client import connect, unix_connect

from pywatt.errors import MissingExtra
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.serve_asgi import Application, EngineName, serve_asgi

pytestmark = pytest.mark.anyio

REQUEST = b"POST /it?x=1 HTTP/1.1\r\nHost: x\r\nConnection: close\r\nContent-Length: 4\r\n\r\nbody"
ENGINES = pytest.mark.parametrize("engine", EngineName)


def serve(app: Application, engine: EngineName = EngineName.UVICORN) -> Callable[[ServiceContext], Awaitable[None]]:
    return partial(serve_asgi, app, engine=engine)


def addresses(worker: Worker) -> tuple[int | str, ...]:
    return worker.path, worker.port, worker.public_port


@ENGINES
async def test_answers_on_all_sockets(engine: EngineName) -> None:
    app = Recorder()
    async with ready(serve(app, engine)) as worker:
        for address in addresses(worker):
            answer = await exchange(address, REQUEST)
            assert answer.startswith(b"HTTP/1.1 200 ")
            assert answer.endswith(b"\r\n\r\nbody")
    assert app.requests == [("POST", "/it", b"body")] * 3
    assert worker.context.ready_with == {"http": True, "address": None, "exports": None}


async def test_only_the_outside_is_told_the_date_and_nobody_the_server() -> None:
    async with ready(serve(Recorder())) as worker:
        endpoint, loopback, public = [(await exchange(it, REQUEST)).lower() for it in addresses(worker)]
    assert b"\r\ndate: " in public
    assert b"\r\ndate: " not in endpoint + loopback
    assert b"\r\nserver: " not in endpoint + loopback + public


async def test_requests_over_the_unix_socket_have_a_client_and_a_server() -> None:
    app, echo = Recorder(), Echo()
    async with ready(serve(app)) as worker:
        await exchange(worker.path, REQUEST)
    async with ready(serve(echo)) as worker, unix_connect(worker.path, uri="ws://x/"):
        pass
    for scope in (*app.scopes, *echo.scopes):
        assert (scope["client"], scope["server"]) == (("127.0.0.1", 0), ("127.0.0.1", 80))


@pytest.mark.parametrize(
    ("path", "root_path"), [("/base/it", "/base"), ("/base", "/base"), ("/it", ""), ("/basement", "")]
)
async def test_the_base_path_is_the_root_path_of_the_entrypoint(path: str, root_path: str) -> None:
    app = Recorder()
    async with ready(serve(app), base_path="/base") as worker:
        await exchange(worker.public_port, b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n" % path.encode())
    assert [(scope["path"], scope["root_path"]) for scope in app.scopes] == [(path, root_path)]


@ENGINES
async def test_websockets(engine: EngineName) -> None:
    async with ready(serve(Echo(), engine)) as worker, connect(f"ws://127.0.0.1:{worker.port}/") as websocket:
        await websocket.send("hello")
        assert await websocket.recv() == "hello"


async def test_hypercorn_speaks_http_2_in_the_clear() -> None:
    async with (
        ready(serve(Recorder(), EngineName.HYPERCORN)) as worker,
        httpx.AsyncClient(http1=False, http2=True, trust_env=False) as client,
    ):
        answer = await client.post(f"http://127.0.0.1:{worker.port}/it", content=b"body")
    assert (answer.http_version, answer.content) == ("HTTP/2", b"body")


async def test_an_engine_that_is_not_installed_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "hypercorn", None)
    monkeypatch.setitem(sys.modules, "hypercorn.app_wrappers", None)
    monkeypatch.delitem(sys.modules, "pywatt.worker.asgi.hypercorn_engine", raising=False)
    async with start(serve(Recorder(), EngineName.HYPERCORN)) as worker:
        with pytest.raises(MissingExtra, match=r'server\.engine "hypercorn" needs the package hypercorn') as raised:
            await worker.ended()
    assert raised.value.hint == "pip install 'pywatt[hypercorn]'"
