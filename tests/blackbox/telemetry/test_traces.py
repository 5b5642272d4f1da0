"""One trace through the gateway and Python services, as a receiver of OTLP sees it."""

from __future__ import annotations

import re
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start
from harness.apps import GATEWAY, Files
from harness.otlp_receiver import OtlpReceiver, ReceivedSpan

API = """
import logging

async def app(scope, receive, send):
    assert scope["type"] == "http"
    logging.warning("api serves %s", scope["path"])
    status = 500 if scope["path"].endswith("/bad") else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b"api"})
"""
WSGI = """
def application(environ, start_response):
    start_response("200 OK", [])
    return [b"wsgi"]
"""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
SAMPLED, UNSAMPLED = f"00-{TRACE}-{SPAN}-01", f"00-{TRACE}-{SPAN}-00"


def files(telemetry: dict[str, Any] | None, **env: str) -> Files:
    root: dict[str, Any] = {
        "entrypoint": "gateway",
        "server": {"port": "{PORT}"},
        "web": [
            {"id": "gateway", "path": "gateway"},
            {"id": "api", "path": "api"},
            {"id": "old", "path": "old"},
            {"id": "hyper", "path": "hyper"},
        ],
        "env": env,
    }
    if telemetry is not None:
        root["telemetry"] = telemetry
    return {
        "watt.json": root,
        "gateway/watt.json": GATEWAY,
        "api/app.py": API,
        "old/wsgi.py": WSGI,
        "hyper/app.py": API,
        "hyper/watt.json": {"type": "python", "server": {"engine": "hypercorn"}},
    }


def one(spans: list[ReceivedSpan], service: str, kind: str) -> ReceivedSpan:
    found = [span for span in spans if span.service == service and span.kind == kind]
    assert len(found) == 1, [(span.service, span.kind, span.name) for span in spans]
    return found[0]


def test_a_request_is_one_trace(start: Start, otlp: OtlpReceiver, tmp_path: Path) -> None:
    exporter = {"type": "otlp", "options": {"url": otlp.url, "headers": {"x-key": "s"}}}
    telemetry = {
        "applicationName": "shop",
        "exporter": [exporter, {"type": "file"}],
        "skip": [{"path": "/api/health*", "method": "get"}],
    }
    with start(files(telemetry)) as app:
        assert app.get("/api/items?id=1&token=secret", headers={"user-agent": "test"}).text == "api"
        app.get("/api/health/live")
        line = app.wait_for_text("api serves /api/items")
        for name in ("old", "hyper"):
            assert app.get(f"/{name}/x", headers={"traceparent": SAMPLED, "tracestate": "a=1"}).status_code == 200
        assert app.get("/api/bad").status_code == 500
        assert app.get("/api/items", headers={"traceparent": UNSAMPLED}).status_code == 200
        assert app.stop() == 0
    # All of it came, since the exporters are flushed at the stop.
    first = otlp.spans[0].trace_id
    spans = [span for span in otlp.spans if span.trace_id == line["trace_id"]]
    server, client, api = one(spans, "shop-gateway", "SERVER"), one(spans, "shop-gateway", "CLIENT"), spans
    inner = one(api, "shop-api", "SERVER")
    assert (server.parent_id, client.parent_id, inner.parent_id) == ("", server.span_id, client.span_id)
    assert line["span_id"] == inner.span_id
    assert (server.name, client.name, inner.name) == ("GET /api/*", "GET", "GET")
    assert server.attributes["url.query"] == "id=1&token=REDACTED"
    assert server.attributes["user_agent.original"] == "test"
    assert {span.attributes["http.response.status_code"] for span in spans} == {200}
    assert server.start <= client.start <= inner.start <= inner.end <= client.end <= server.end
    given = [span for span in otlp.spans if span.trace_id == TRACE]
    assert sorted((span.service, span.kind) for span in given) == [
        ("shop-gateway", "CLIENT"),
        ("shop-gateway", "CLIENT"),
        ("shop-gateway", "SERVER"),
        ("shop-gateway", "SERVER"),
        ("shop-hyper", "SERVER"),
        ("shop-old", "SERVER"),
    ]
    assert {span.parent_id for span in given if span.name in ("GET /old/*", "GET /hyper/*")} == {SPAN}
    bad = [span for span in otlp.spans if span.trace_id not in (TRACE, line["trace_id"])]
    assert sorted((span.service, span.kind, span.is_error) for span in bad) == [
        ("shop-api", "SERVER", True),
        ("shop-gateway", "CLIENT", True),
        ("shop-gateway", "SERVER", True),
    ], first
    assert all(headers["x-key"] == "s" for headers in otlp.headers)
    assert len((tmp_path / "spans.jsonl").read_text().splitlines()) == len(otlp.spans)


@pytest.mark.parametrize("telemetry", [None, {"enabled": False, "exporter": {"type": "console"}}])
def test_without_spans_the_headers_pass(start: Start, telemetry: dict[str, Any] | None) -> None:
    with start(files(telemetry)) as app:
        app.get("/api/a", headers={"traceparent": UNSAMPLED})
        line = app.wait_for_text("api serves /api/a")
        app.get("/api/b")
        other = app.wait_for_text("api serves /api/b")
    assert (line["trace_id"], line["span_id"]) == (TRACE, SPAN)
    assert "trace_id" not in other


PROGRAM = """
import http.server, json, os

class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        seen = {"traceparent": self.headers["traceparent"], **{n: os.environ.get(n) for n in NAMES}}
        body = json.dumps(seen).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

NAMES = ("OTEL_SERVICE_NAME", "OTEL_TRACES_EXPORTER", "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT")
http.server.HTTPServer(("127.0.0.1", int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_programs_get_the_trace_and_what_their_own_sdk_needs(start: Start, otlp: OtlpReceiver) -> None:
    telemetry = {"applicationName": "shop", "exporter": {"type": "otlp", "options": {"url": otlp.url}}}
    app_files = files(telemetry)
    app_files["program/serve.py"] = PROGRAM
    app_files["program/watt.json"] = {"type": "command", "command": [sys.executable, "serve.py"]}
    app_files["watt.json"]["web"] = [{"id": name, "path": name} for name in ("gateway", "program")]  # type: ignore[index]
    with start(app_files) as app:
        seen = app.get("/program/x", headers={"traceparent": SAMPLED}).json()
        assert app.stop() == 0
    assert seen == {
        "traceparent": f"00-{TRACE}-{one(otlp.spans, 'shop-gateway', 'CLIENT').span_id}-01",
        "OTEL_SERVICE_NAME": "shop-program",
        "OTEL_TRACES_EXPORTER": "otlp",
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": otlp.url,
    }


def test_the_gateway_begins_a_trace_when_asked_to(start: Start) -> None:
    with start(files({"createTraceContext": True})) as app:
        for name in ("api", "hyper"):
            app.get(f"/{name}/a")
            line = app.wait_for_text(f"api serves /{name}/a")
            assert re.fullmatch("[0-9a-f]{32}", line["trace_id"])
        app.get("/api/b", headers={"traceparent": SAMPLED})
        assert app.wait_for_text("api serves /api/b")["trace_id"] == TRACE


def test_an_instrumentation_that_is_not_installed(start: Start) -> None:
    with start(files({"exporter": {"type": "memory"}, "instrumentations": ["nothing"]})) as app:
        line = app.wait_for_text('telemetry.instrumentations: "nothing" is not installed')
        assert "pip install opentelemetry-instrumentation-nothing" in line["msg"]
