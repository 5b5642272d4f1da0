"""Clients on raw sockets that send endlessly neither delay other clients nor grow a process."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest
from harness.app import run_pywatt, write_files
from harness.apps import GATEWAY, gateway_and_api
from harness.attack import Attack, MemoryUsage, assert_others_are_served, median_latency, under
from harness.processes import MARKER, marked

API = """
LARGE = b"x" * 100_000

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    if scope["path"] == "/large":
        headers = [(b"content-length", b"200000000")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        for _ in range(2000):
            await send({"type": "http.response.body", "body": LARGE, "more_body": True})
        await send({"type": "http.response.body", "body": b""})
        return
    if scope["path"] == "/medium":
        headers = [(b"content-length", b"%d" % len(LARGE))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": LARGE})
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""

OWN = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
SMALL = "GET /api/ HTTP/1.1\r\nHost: x\r\n\r\n"
LARGE = "GET /api/large HTTP/1.1\r\nHost: x\r\n\r\n"
MEDIUM = LARGE.replace("large", "medium")
CHUNKED = "Host: x\r\nTransfer-Encoding: chunked\r\n\r\n"
CONTINUE = "Host: x\r\nExpect: 100-continue\r\nContent-Length: 1\r\n\r\nx"

ATTACKS = {
    "pipelining": Attack(again=OWN),
    "pipelining of unknown paths": Attack(again="GET /nowhere/%7E HTTP/1.1\r\nHost: x\r\n\r\n"),
    "pipelining of bodies": Attack(again="POST /nowhere HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"),
    "pipelining of expectations": Attack(again="POST /nowhere HTTP/1.1\r\n" + CONTINUE),
    "pipelining to a service": Attack(again=SMALL),
    "no reading": Attack(again=OWN, reads=False),
    "no reading from a service": Attack(again=SMALL, reads=False),
    "no reading of interim answers": Attack(again="POST /api/ HTTP/1.1\r\n" + CONTINUE, reads=False),
    "no reading of a large answer behind others": Attack(first=MEDIUM * 80 + LARGE, reads=False),
    "no reading of large answers": Attack(again=LARGE, reads=False),
    "tiny chunks": Attack(first="POST /nowhere HTTP/1.1\r\n" + CHUNKED, again="1\r\nx\r\n"),
    "empty lines": Attack(again="\r\n"),
    "header fields": Attack(first="GET / HTTP/1.1\r\nHost: x\r\n", again="a:\r\n"),
}


ENDLESS = Path(__file__).with_name("endless_service.py")
HANDSHAKE = (
    "Host: x\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)


@contextmanager
def endless_service() -> Iterator[int]:
    """Run a server with endless responses; yield its port."""
    process = subprocess.Popen([sys.executable, ENDLESS], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@dataclass(frozen=True)
class RunningApp:
    """A running app."""

    port: int
    marker: str


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningApp]:
    files = gateway_and_api(API)
    marker = uuid.uuid4().hex
    with endless_service() as port:
        proxies = [
            {"id": "api", "proxy": {"prefix": "/api"}},
            {"id": "endless", "proxy": {"prefix": "/endless", "upstream": f"http://127.0.0.1:{port}"}},
        ]
        files["web/gateway/platformatic.json"] = {**GATEWAY, "gateway": {"applications": proxies}}
        folder = write_files(tmp_path_factory.mktemp("app"), files)
        yield from run(folder, marker)


def run(folder: Path, marker: str) -> Iterator[RunningApp]:
    with run_pywatt(folder, env={MARKER: marker, "PORT": "0"}) as app:
        site = RunningApp(int(app.url.rstrip("/").rpartition(":")[2]), marker)
        median_latency(site.port, SMALL.encode())
        yield site
        assert app.stop() == 0


@pytest.mark.parametrize(("name", "connections"), [("pipelining", 1), *((name, 4) for name in ATTACKS)])
def test_nobody_else_feels(site: RunningApp, name: str, connections: int) -> None:
    memory = MemoryUsage.of(marked(site.marker))
    with under(ATTACKS[name], site.port, connections):
        assert_others_are_served(site.port, OWN.encode())
    memory.assert_bounded()


def test_a_client_that_reads_nothing_holds_up_no_service(site: RunningApp) -> None:
    with under(ATTACKS["no reading of large answers"], site.port, 4):
        assert_others_are_served(site.port, SMALL.encode())


@pytest.mark.parametrize("reads", [True, False])
@pytest.mark.parametrize(
    "kind", ["informational", "fields", "trailers", "trailer", "extension", "answers", "chunks", "frames"]
)
def test_nobody_feels_a_service_that_never_comes_to_an_end(site: RunningApp, kind: str, reads: bool) -> None:
    head = f"GET /endless/{kind} HTTP/1.1\r\n" + (HANDSHAKE if kind == "frames" else "Host: x\r\n\r\n")
    memory = MemoryUsage.of(marked(site.marker))
    with under(Attack(first=head, reads=reads), site.port, 4):
        assert_others_are_served(site.port, OWN.encode())
    memory.assert_bounded()
