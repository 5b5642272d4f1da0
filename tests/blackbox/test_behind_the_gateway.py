"""A service learns its public location from the gateway, and from no other client."""

from __future__ import annotations

import sys
from typing import Any

import httpx
import pytest
from harness.app import RunningApp, Start

ECHO = """
import json
import urllib.request

KEYS = ("root_path", "path", "scheme", "client", "server")


async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"].endswith("/via-mesh"):
        import asyncio
        body = await asyncio.to_thread(lambda: urllib.request.urlopen("http://api.plt.local/it").read())
    else:
        headers = {name.decode(): value.decode() for name, value in scope["headers"]}
        body = json.dumps({**{key: scope[key] for key in KEYS}, "headers": headers}).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
import json


def app(environ, start_response):
    start_response("200 OK", [("Content-Type", "application/json")])
    return [json.dumps({name: value for name, value in environ.items() if isinstance(value, str)}).encode()]
"""
PROGRAM = """
import http.server
import json
import os


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        told = {"path": self.path, "base": os.environ["BASE_PATH"], "headers": dict(self.headers)}
        body = json.dumps(told).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *args):
        pass


http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""
FORGED = {"x-forwarded-for": "9.9.9.9", "x-forwarded-proto": "https", "x-forwarded-prefix": "/forged"}


def files(*, trusted: bool = False, base_path: str = "") -> dict[str, str | dict[str, Any]]:
    applications: list[dict[str, Any]] = [
        {"id": "api"},
        {"id": "wsgi"},
        {"id": "program", "proxy": {"prefix": "/programs/one"}},
        {"id": "whole", "proxy": {"rewritePrefix": "/whole"}},
        {"id": "host", "proxy": {"hostname": "host.example"}},
        {"id": "inside", "proxy": False},
    ]
    gateway: dict[str, Any] = {"module": "@platformatic/gateway", "gateway": {"applications": applications}}
    if trusted:
        gateway["server"] = {"trustProxy": True}
    run = {"command": [sys.executable, "program.py"]}
    ids = [str(application["id"]) for application in applications]
    root: dict[str, Any] = {
        "entrypoint": "gateway",
        "web": [{"id": name, "path": f"web/{name}"} for name in ("gateway", *ids)],
        "server": {"port": "{PORT}"},
    }
    if base_path:
        root["basePath"] = base_path
    programs = {
        f"web/{name}/{file}": content
        for name in ("program", "whole", "host", "inside")
        for file, content in (("platformatic.json", run), ("program.py", PROGRAM))
    }
    return {
        "watt.json": root,
        "web/gateway/platformatic.json": gateway,
        "web/api/app.py": ECHO,
        "web/wsgi/app.py": WSGI,
        **programs,
    }


def told(app: RunningApp, path: str, **headers: str) -> dict[str, Any]:
    answer: dict[str, Any] = app.get(path, headers={**FORGED, **headers}).json()
    return answer


def test_services_are_told_their_place_and_the_client(start: Start) -> None:
    with start(files()) as app:
        host = app.url.removeprefix("http://")
        asgi = told(app, "/api/it")
        assert (asgi["root_path"], asgi["path"], asgi["scheme"]) == ("/api", "/api/it", "http")
        assert (asgi["client"][0], asgi["server"]) == ("127.0.0.1", ["127.0.0.1", int(host.partition(":")[2])])
        assert asgi["headers"]["host"] == asgi["headers"]["x-forwarded-host"] == host
        assert asgi["headers"]["x-forwarded-prefix"] == "/api"
        wsgi = told(app, "/wsgi/it")
        assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"], wsgi["HTTP_HOST"]) == ("/wsgi", "/it", host)
        assert (wsgi["wsgi.url_scheme"], wsgi["REMOTE_ADDR"]) == ("http", "127.0.0.1")
        program = told(app, "/programs/one/it")
        assert (program["path"], program["base"]) == ("/it", "/programs/one")
        assert program["headers"]["x-forwarded-prefix"] == "/programs/one"
        whole = told(app, "/whole/it")
        assert (whole["path"], whole["base"]) == ("/whole/it", "/whole")
        assert "x-forwarded-prefix" not in whole["headers"]
        other = told(app, "/it", host="host.example")
        assert (other["path"], other["base"], other["headers"]["host"]) == ("/it", "/", "host.example")
        assert app.get("/host/it").status_code == app.get("/inside/it").status_code == 404


def test_what_a_trusted_proxy_says_is_passed_on_to_the_application(start: Start) -> None:
    with start(files(trusted=True, base_path="/shop")) as app:
        asgi = told(app, "/shop/api/it")
        assert (asgi["root_path"], asgi["path"]) == ("/forged/shop/api", "/forged/shop/api/it")
        assert (asgi["scheme"], asgi["client"]) == ("https", ["9.9.9.9", 0])
        wsgi = told(app, "/shop/wsgi/it")
        assert (wsgi["SCRIPT_NAME"], wsgi["PATH_INFO"]) == ("/forged/shop/wsgi", "/it")
        assert (wsgi["wsgi.url_scheme"], wsgi["REMOTE_ADDR"]) == ("https", "9.9.9.9")
        assert told(app, "/shop/programs/one/it")["base"] == "/shop/programs/one"


def test_calls_between_services_have_no_prefix(start: Start) -> None:
    with start(files()) as app:
        seen = told(app, "/api/via-mesh")
        assert (seen["root_path"], seen["path"], seen["headers"]["host"]) == ("", "/it", "api.plt.local")
        assert not any(name.startswith("x-forwarded") for name in seen["headers"])


@pytest.mark.parametrize("trusted", [False, True])
def test_who_calls_a_service_itself_is_not_believed(start: Start, trusted: bool) -> None:
    written = files(trusted=trusted)
    written["web/program/program.py"] = PROGRAM.replace('os.environ["BASE_PATH"]', 'os.environ["PLT_API_URL"]')
    with start(written) as app:
        direct = told(app, "/programs/one/it")["base"]
        seen = httpx.get(f"{direct}/it", headers=FORGED).json()
        assert (seen["root_path"], seen["path"], seen["scheme"]) == ("", "/it", "http")
        assert seen["client"][0] == "127.0.0.1"
