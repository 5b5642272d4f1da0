"""Clients on raw sockets that send endlessly to a service itself neither delay other clients nor grow a process."""

from __future__ import annotations

import socket
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import pytest
from harness.app import run_pywatt, write_files
from harness.attack import Attack, MemoryUsage, assert_others_are_served, median_latency, under
from harness.processes import MARKER, marked

ASGI = """
LARGE = b"x" * 100_000

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    parts = {"/large": 2000, "/medium": 1}.get(scope["path"])
    if scope["path"] == "/read":
        while (await receive()).get("more_body"):
            pass
    body = LARGE if parts else b"ok"
    headers = [(b"content-length", b"%d" % (len(body) * (parts or 1)))]
    if scope["path"] == "/forever":
        headers = []
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    while scope["path"] == "/forever":
        await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    for _ in range((parts or 1) - 1):
        await send({"type": "http.response.body", "body": body, "more_body": True})
    await send({"type": "http.response.body", "body": body})
"""
WSGI = """
LARGE = b"x" * 100_000

def app(environ, start_response):
    parts = {"/large": 2000, "/medium": 1}.get(environ["PATH_INFO"])
    if environ["PATH_INFO"] == "/read":
        while environ["wsgi.input"].read(65536):
            pass
    body = LARGE if parts else b"ok"
    if environ["PATH_INFO"] == "/forever":
        start_response("200 OK", [])
        while True:
            yield LARGE
    start_response("200 OK", [("content-length", str(len(body) * (parts or 1)))])
    for _ in range(parts or 1):
        yield body
"""
ENGINES: dict[str, tuple[str, dict[str, Any]]] = {
    "uvicorn": (ASGI, {}),
    "hypercorn": (ASGI, {"server": {"engine": "hypercorn"}}),
    "wsgi": (WSGI, {}),
}
SMALL = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = "GET /large HTTP/1.1\r\nHost: x\r\n\r\n"
MEDIUM = "GET /medium HTTP/1.1\r\nHost: x\r\n\r\n"
CHUNKED = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"

ATTACKS = {
    "pipelining": Attack(again=SMALL),
    "pipelining of what is not plain": Attack(again="GET /nowhere/%7E HTTP/1.1\r\nHost: x\r\nX: 1\r\nX: 2\r\n\r\n"),
    "pipelining of bodies": Attack(again="POST /read HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
    "pipelining of expectations": Attack(again="POST /read HTTP/1.1\r\n" + CONTINUE),
    "pipelining to the server": Attack(again="OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n"),
    "no reading": Attack(again=SMALL, reads=False),
    "no reading from the server": Attack(again="OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n", reads=False),
    "no reading of interim answers": Attack(again="POST /read HTTP/1.1\r\n" + CONTINUE, reads=False),
    "no reading of a large answer behind others": Attack(first=MEDIUM * 80 + LARGE, reads=False),
    "no reading of large answers": Attack(again=LARGE, reads=False),
    "tiny chunks": Attack(first="POST /read HTTP/1.1\r\n" + CHUNKED, again="1\r\nx\r\n"),
    "tiny chunks that nobody reads": Attack(first="POST / HTTP/1.1\r\n" + CHUNKED, again="1\r\nx\r\n"),
    "empty lines": Attack(again="\r\n"),
    "header fields": Attack(first="GET / HTTP/1.1\r\nHost: x\r\n", again="a:\r\n"),
    "one header field": Attack(first="GET / HTTP/1.1\r\nHost: x\r\na: ", again="a"),
    "trailers": Attack(first="POST /read HTTP/1.1\r\n" + CHUNKED + "0\r\n", again="a: b\r\n"),
    "no HTTP": Attack(again="\0"),
}


@dataclass(frozen=True)
class RunningApp:
    """A running app whose entrypoint is the service."""

    port: int
    marker: str


@pytest.fixture(scope="module", params=ENGINES)
def site(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    code, options = ENGINES[request.param]
    files: dict[str, str | dict[str, Any]] = {
        "watt.json": {
            "services": [{"id": "api", "path": "api"}],
            "entrypoint": "api",
            "gracefulShutdown": {"application": 1000},  # an application here never ends
        },
        "api/watt.json": {"module": "python", **options},
        "api/app.py": code,
    }
    folder = write_files(tmp_path_factory.mktemp("app"), files)
    marker = uuid.uuid4().hex
    with run_pywatt(folder, env={MARKER: marker, "PORT": "0"}) as app:
        site = RunningApp(int(app.url.rstrip("/").rpartition(":")[2]), marker)
        median_latency(site.port, SMALL.encode())
        yield site
        assert app.stop() == 0


@pytest.mark.parametrize(("name", "connections"), [("pipelining", 1), *((name, 4) for name in ATTACKS)])
def test_nobody_else_feels(site: RunningApp, name: str, connections: int) -> None:
    memory = MemoryUsage.of(marked(site.marker))
    with under(ATTACKS[name], site.port, connections):
        assert_others_are_served(site.port, SMALL.encode())
    memory.assert_bounded()


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_an_application_that_sends_after_its_client_has_left_holds_up_nobody(site: RunningApp, method: str) -> None:
    for _ in range(3):
        with socket.create_connection(("127.0.0.1", site.port), timeout=30) as client:
            client.sendall(f"{method} /forever HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n".encode())
            assert client.recv(100).startswith(b"HTTP/1.1 200 ")
    assert_others_are_served(site.port, SMALL.encode())
