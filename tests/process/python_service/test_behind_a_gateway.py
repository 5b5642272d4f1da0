"""Applications of several frameworks behind a prefix that the gateway announces."""

from __future__ import annotations

import json
import textwrap
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from harness.context import exchange, ready

from pywatt.service_type import Placement
from pywatt_services.python import TYPE
from pywatt_services.python.serve import prepare, serve

pytestmark = pytest.mark.anyio

HEAD = (
    b"Host: shop.example\r\nConnection: close\r\nx-forwarded-for: 9.9.9.9\r\nx-forwarded-host: shop.example\r\n"
    b"x-forwarded-proto: https\r\nx-forwarded-prefix: /api\r\n\r\n"
)
APPLICATIONS = {
    "starlette": """
        from starlette.applications import Starlette
        from starlette.responses import JSONResponse
        from starlette.routing import Mount, Route

        async def it(request):
            return JSONResponse([
                str(request.url), str(request.url_for("it")), str(request.url_for("deep:it")), request.client.host
            ])

        app = Starlette(routes=[Route("/it", it, name="it"), Mount("/deep", routes=[Route("/it", it)], name="deep")])
        app.router.routes[1].routes[0].name = "it"
        """,
    "fastapi": """
        from fastapi import FastAPI, Request

        app = FastAPI()
        deep = FastAPI()

        @deep.get("/it", name="it")
        @app.get("/it", name="it")
        def it(request: Request):
            root = "https://shop.example/api"
            return [str(request.url), str(request.url_for("it")), root + "/deep/it", request.client.host]

        app.mount("/deep", deep)
        """,
    "quart": """
        from quart import Blueprint, Quart, request, url_for

        app = Quart(__name__)
        deep = Blueprint("deep", __name__, url_prefix="/deep")

        @app.get("/it")
        @deep.get("/it")
        async def it():
            return [
                request.url, url_for("it", _external=True), url_for("deep.it", _external=True), request.remote_addr
            ]

        app.register_blueprint(deep)
        """,
    "flask": """
        from flask import Blueprint, Flask, request, url_for

        app = Flask(__name__)
        deep = Blueprint("deep", __name__, url_prefix="/deep")

        @app.get("/it")
        @deep.get("/it")
        def it():
            return [
                request.url, url_for("it", _external=True), url_for("deep.it", _external=True), request.remote_addr
            ]

        app.register_blueprint(deep)
        """,
}


def service(tmp_path: Path, name: str) -> partial[Any]:
    """Write an application in its own module, because this process imports them all."""
    module = f"behind_{name}"
    (tmp_path / f"{module}.py").write_text(textwrap.dedent(APPLICATIONS[name]))
    placement = Placement(id=name, path=tmp_path, services=(name,))
    options: Any = TYPE.configure({"python": {"module": f"{module}:app"}}, placement).options
    return partial(serve, prepare(options))


@pytest.mark.parametrize("name", APPLICATIONS)
@pytest.mark.parametrize("path", ["/it", "/deep/it"])
async def test_an_application_knows_its_own_address(
    name: str, path: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    async with ready(service(tmp_path, name)) as worker:
        answer = await exchange(worker.path, b"GET %b HTTP/1.1\r\n" % path.encode() + HEAD)
    root = "https://shop.example/api"
    assert json.loads(answer.partition(b"\r\n\r\n")[2]) == [root + path, root + "/it", root + "/deep/it", "9.9.9.9"]


async def test_the_docs_of_fastapi_find_their_schema(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(tmp_path)
    async with ready(service(tmp_path, "fastapi")) as worker:
        docs = await exchange(worker.path, b"GET /docs HTTP/1.1\r\n" + HEAD)
        schema = await exchange(worker.path, b"GET /openapi.json HTTP/1.1\r\n" + HEAD)
    assert b"'/api/openapi.json'" in docs
    assert json.loads(schema.partition(b"\r\n\r\n")[2])["servers"] == [{"url": "/api"}]
