"""Frameworks that make SERVER spans of their own: a request has one in each service, which both describe."""

from __future__ import annotations

import pytest
from harness.app import Start
from harness.apps import Files
from harness.otlp_receiver import OtlpReceiver, ReceivedSpan

FASTAPI = """
import logging
from fastapi import BackgroundTasks, FastAPI, WebSocket

app = FastAPI()

@app.get("/orders/{order}")
async def order(order: int, later: BackgroundTasks) -> int:
    later.add_task(logging.warning, "after the response %s", order)
    return order

@app.get("/bad/{order}")
def bad(order: int) -> None:
    raise RuntimeError("the database is away")

@app.websocket("/chat/{room}")
async def chat(socket: WebSocket, room: str) -> None:
    await socket.accept()
    await socket.close()
"""
STARLETTE = """
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.middleware.opentelemetry import OpenTelemetryMiddleware
from starlette.responses import PlainTextResponse
from starlette.routing import Route

def order(request):
    return PlainTextResponse(request.path_params["order"])

def bad(request):
    raise RuntimeError("the database is away")

app = Starlette(
    routes=[Route("/orders/{order}", order), Route("/bad/{order}", bad)],
    middleware=[Middleware(OpenTelemetryMiddleware)],
)
"""
TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


def served(otlp: OtlpReceiver) -> dict[str, ReceivedSpan]:
    """Return the SERVER spans by the path of their request, which has one."""
    spans = [span for span in otlp.spans if span.kind == "SERVER"]
    found = {span.attributes["url.path"]: span for span in spans}
    assert len(found) == len(spans), [(span.name, span.attributes) for span in spans]
    return found


@pytest.mark.parametrize("source", [FASTAPI, STARLETTE], ids=["fastapi", "starlette"])
def test_a_request_has_one_server_span(start: Start, otlp: OtlpReceiver, source: str) -> None:
    telemetry = {
        "exporter": {"type": "otlp", "options": {"url": otlp.url}},
        "skip": [{"path": "/orders/0*"}],
    }
    files: Files = {
        "watt.json": {
            "entrypoint": "api",
            "server": {"port": "{PORT}"},
            "web": [{"id": "api", "path": "api"}],
            "telemetry": telemetry,
        },
        "api/app.py": source,
    }
    with start(files) as app:
        assert app.get("/orders/1").status_code == 200
        assert app.get("/orders/2", headers={"traceparent": f"00-{TRACE}-{SPAN}-01"}).status_code == 200
        assert app.get("/orders/3", headers={"traceparent": f"00-{TRACE}-{SPAN}-00"}).status_code == 200
        assert app.get("/orders/01").status_code == 200  # to be skipped
        assert app.get("/bad/4").status_code == 500
        assert app.get("/none").status_code == 404
        assert app.stop() == 0
        output = app.output
    spans = served(otlp)
    assert {path: span.name for path, span in spans.items()} == {
        "/orders/1": "GET /orders/{order}",
        "/orders/2": "GET /orders/{order}",
        "/bad/4": "GET /bad/{order}",
        "/none": "GET",
    }
    assert [path for path, span in spans.items() if span.is_error] == ["/bad/4"]
    assert spans["/bad/4"].attributes["http.response.status_code"] == 500
    assert spans["/orders/2"].parent_id == SPAN
    assert {spans[path].parent_id for path in ("/orders/1", "/bad/4", "/none")} == {""}
    assert {span.attributes["http.route"] for path, span in spans.items() if "orders" in path} == {"/orders/{order}"}
    ids = {span.span_id for span in spans.values()}
    inner = [span for span in otlp.spans if span.kind == "INTERNAL"]
    assert {span.parent_id for span in inner} <= ids
    assert bool(inner) == (source is FASTAPI)
    assert "ended span" not in output
