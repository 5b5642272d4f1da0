"""Python services of all kinds, imported and served as in a worker."""

from __future__ import annotations

import sys
import textwrap
import traceback
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from anyio import to_thread
from harness.context import exchange, ready, settle, start

from pywatt.errors import StartError
from pywatt.service_type import Placement, ServiceContext
from pywatt_services.python import TYPE
from pywatt_services.python.serve import prepare, serve

pytestmark = pytest.mark.anyio

Service = Callable[..., partial[Any]]
REQUEST = b"GET /it HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"

APPLICATIONS = {
    "asgi": """
        async def app(scope, receive, send):
            assert scope["type"] == "http"
            await send({"type": "http.response.start", "status": 200, "headers": []})
            await send({"type": "http.response.body", "body": b"hello"})
        """,
    "starlette": """
        from starlette.applications import Starlette
        from starlette.responses import PlainTextResponse
        from starlette.routing import Route

        async def it(request):
            return PlainTextResponse("hello")

        app = Starlette(routes=[Route("/it", it)])
        """,
    "fastapi": """
        from fastapi import FastAPI
        from fastapi.responses import PlainTextResponse

        application = FastAPI()

        @application.get("/it", response_class=PlainTextResponse)
        def it():
            return "hello"
        """,
    "quart": """
        from quart import Quart

        app = Quart(__name__)

        @app.get("/it")
        async def it():
            return "hello"
        """,
    "flask": """
        from flask import Flask

        app = Flask(__name__)

        @app.get("/it")
        def it():
            return "hello"
        """,
    "factory": """
        from flask import Flask

        def create_app(config=None, debug=False):
            app = Flask(__name__)
            app.get("/it")(lambda: "hello")
            return app
        """,
    "async factory": """
        from quart import Quart

        async def create_app():
            app = Quart(__name__)

            @app.get("/it")
            async def it():
                return "hello"

            return app
        """,
}


async def prepare_and_serve(options: Any, context: ServiceContext) -> None:
    # A thread has no running loop, as a worker's main thread has none at this point.
    prepared = await to_thread.run_sync(prepare, options)
    await serve(prepared, context)


@pytest.fixture
def service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Service]:
    """Write app.py and return a function that serves the folder, the working directory as in a worker."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(source: str, document: dict[str, Any] | None = None) -> partial[Any]:
        (tmp_path / "app.py").write_text(textwrap.dedent(source))
        placement = Placement(id="it", path=tmp_path, services=("it",))
        return partial(prepare_and_serve, TYPE.configure(document or {}, placement).options)

    yield make
    sys.modules.pop("app", None)


@pytest.mark.parametrize("name", APPLICATIONS)
async def test_frameworks(service: Service, name: str) -> None:
    async with ready(service(APPLICATIONS[name])) as worker:
        answer = await exchange(worker.port, REQUEST)
    assert answer.startswith(b"HTTP/1.1 200 ")
    assert b"hello" in answer
    assert worker.context.ready_with["http"] is True


@pytest.mark.parametrize("name", ["starlette", "flask"])
async def test_frameworks_on_hypercorn(service: Service, name: str) -> None:
    async with ready(service(APPLICATIONS[name], {"server": {"engine": "hypercorn"}})) as worker:
        assert b"hello" in await exchange(worker.port, REQUEST)


async def test_an_async_main_runs_until_it_is_cancelled(service: Service, capsys: pytest.CaptureFixture[str]) -> None:
    source = """
        import asyncio

        async def main():
            print("begun")
            try:
                await asyncio.Event().wait()
            finally:
                await asyncio.sleep(0)
                print("cleaned up")
        """
    async with ready(service(source)) as worker:
        await settle()
        assert capsys.readouterr().out == "begun\n"
    assert worker.context.ready_with["http"] is False
    assert capsys.readouterr().out == "cleaned up\n"


async def test_a_main_that_ends_ends_the_service(service: Service) -> None:
    async with start(service("async def main(): ...")) as worker:
        await worker.ended()
        assert not worker.context.is_ready.is_set()


async def test_a_main_that_raises_later_ends_the_service(service: Service) -> None:
    source = """
        import asyncio

        async def main():
            for _ in range(5):
                await asyncio.sleep(0)
            raise RuntimeError("the consumer is dead")
        """
    async with start(service(source)) as worker:
        with pytest.raises(ExceptionGroup) as raised:
            await worker.ended()
        assert worker.context.is_ready.is_set()
    (error,) = raised.value.exceptions
    assert str(error) == "the consumer is dead"


async def test_an_import_error_comes_out_with_the_users_frames(service: Service) -> None:
    async with start(service("app = 1\ndef load():\n    raise KeyError('DATABASE_URL')\nload()")) as worker:
        with pytest.raises(KeyError) as raised:
            await worker.ended()
    frames = traceback.extract_tb(raised.value.__traceback__)
    assert [(frame.name, frame.lineno) for frame in frames if frame.filename.endswith("app.py")] == [
        ("<module>", 4),
        ("load", 3),
    ]


@pytest.mark.parametrize(
    ("source", "document", "message"),
    [
        ("app = 1", {}, "app:app is no application: it is 1"),
        ("def create_app(): return None", {}, r"what app:create_app\(\) returned is no application: it is None"),
        ("web = 1", {"python": {"module": "app"}}, "the module app has none of app, application, create_app, main"),
        ("web = 1", {"python": {"module": "app:wep"}}, "the module app has no attribute 'wep'"),
        ("web = 1", {"python": {"module": "ap.web:app"}}, "there is no module 'ap' in "),
        ("web = 1", {"python": {"module": "app.web:app"}}, "there is no module 'app.web' in "),
        ("def main(): ...", {"python": {"module": "app:main"}}, r"app:main must be `async def main\(\)`"),
        ("async def app(a, b, c): ...", {"python": {"interface": "main"}}, "is no coroutine function without"),
    ],
)
async def test_what_cannot_be_served_is_told(
    service: Service, source: str, document: dict[str, Any], message: str
) -> None:
    async with start(service(source, document)) as worker:
        with pytest.raises(StartError, match=message):
            await worker.ended()
