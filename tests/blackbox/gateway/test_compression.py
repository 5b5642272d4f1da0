"""Compressed responses of a running app, as clients decode them."""

from __future__ import annotations

import threading
from importlib.util import find_spec
from typing import Any

import httpx
from harness.app import PATIENCE, Start

SERVICE = """
import asyncio
import json

LARGE = json.dumps([{"number": number, "text": "some text"} for number in range(30_000)]).encode()
go_on = asyncio.Event()


async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    path = scope["path"].removeprefix(scope["root_path"])
    kind = b"text/event-stream" if path == "/events" else b"application/json"
    headers = [(b"content-type", kind), (b"etag", b'"1"')]
    if path == "/large":
        headers.append((b"content-length", str(len(LARGE)).encode()))
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    if path == "/events":
        await send({"type": "http.response.body", "body": b"data: first\\n\\n", "more_body": True})
        await go_on.wait()
        await send({"type": "http.response.body", "body": b"data: second\\n\\n", "more_body": True})
    elif path == "/go-on":
        go_on.set()
    await send({"type": "http.response.body", "body": LARGE if path == "/large" else b"{}"})
"""
FILES: dict[str, str | dict[str, Any]] = {
    "watt.json": {
        "entrypoint": "gw",
        "web": [{"id": "gw", "path": "web/gw"}, {"id": "api", "path": "web/api"}],
        "server": {"port": "{PORT}"},
    },
    "web/gw/watt.json": {"module": "gateway", "gateway": {"defaults": {"compression": True}}},
    "web/api/app.py": SERVICE,
}


def test_large_responses_and_events(start: Start) -> None:
    with start(FILES, "start") as app, httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
        plain = client.get("/api/large", headers={"accept-encoding": "identity"})
        assert plain.headers["vary"] == "Accept-Encoding"
        modules = {"gzip": "zlib", "br": "brotli", "zstd": "zstandard"}
        for coding in (coding for coding, module in modules.items() if find_spec(module)):
            made = client.get("/api/large", headers={"accept-encoding": coding})
            assert made.headers["content-encoding"] == coding
            assert made.content == plain.content
            assert made.num_bytes_downloaded < len(plain.content) / 5
            assert made.headers["etag"] == 'W/"1"'
        with client.stream("GET", "/api/events", headers={"accept-encoding": "gzip"}) as events:
            decoded = events.iter_bytes()
            assert next(decoded) == b"data: first\n\n"  # while the service waits
            assert client.get("/api/go-on").json() == {}
            assert b"".join(decoded) == b"data: second\n\n{}"


def test_many_clients_get_large_responses_at_the_same_time(start: Start) -> None:
    with start(FILES, "start") as app:
        expected = app.get("/api/large", headers={"accept-encoding": "identity"}).content
        wrong: list[Any] = []

        def fetch() -> None:
            with httpx.Client(base_url=app.url, timeout=PATIENCE) as client:
                for _ in range(3):
                    response = client.get("/api/large", headers={"accept-encoding": "gzip"})
                    if response.content != expected:
                        wrong.append(response)

        threads = [threading.Thread(target=fetch) for _ in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(PATIENCE)
        assert wrong == []
