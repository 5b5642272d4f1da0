"""`metrics.otlpExporter`: a collector gets the app's metrics again and again, also after it was away."""

from __future__ import annotations

import json
import queue
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
from harness.app import PATIENCE, Start

API = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
        await send({"type": "http.response.body", "body": b""})
"""
Received = queue.Queue[tuple[str | None, dict[str, Any]]]


@pytest.fixture
def collector() -> Iterator[tuple[str, Received]]:
    """The address of a collector that refuses the first export, and what it gets."""
    received: Received = queue.Queue()
    seen = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if seen.is_set():
                received.put((self.headers["x-key"], document))
            self.send_response(200 if seen.is_set() else 503)
            seen.set()
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1/metrics", received
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def requests_in(document: dict[str, Any]) -> float:
    metrics = document["resourceMetrics"][0]["scopeMetrics"][0]["metrics"]
    found = [metric["sum"]["dataPoints"] for metric in metrics if metric["name"] == "pywatt_http_requests"]
    return float(sum(point["asDouble"] for points in found for point in points))


def test_they_arrive(start: Start, collector: tuple[str, Received]) -> None:
    endpoint, received = collector
    exporter = {"endpoint": endpoint, "interval": 100, "headers": {"X-Key": "s"}, "serviceName": "shop"}
    with start(
        {
            "watt.json": {
                "entrypoint": "api",
                "server": {"port": "{PORT}"},
                "metrics": {"server": False, "otlpExporter": exporter},
                "web": [{"id": "api", "path": "api"}],
            },
            "api/app.py": API,
        }
    ) as app:
        assert app.get("/").status_code == app.get("/").status_code == 200
        app.wait_for_text("the response had the status 503")
        app.wait_for_text(f"metrics are sent to {endpoint} again")
        while True:
            key, document = received.get(timeout=PATIENCE)
            if requests_in(document) == 2:
                break
        assert app.stop() == 0
    assert key == "s"
    (attribute,) = document["resourceMetrics"][0]["resource"]["attributes"]
    assert attribute == {"key": "service.name", "value": {"stringValue": "shop"}}
