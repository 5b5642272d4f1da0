"""An app for load: fast, slow, echoing and streaming answers, WebSockets, and calls from service to service."""

from __future__ import annotations

from typing import Any

from harness.apps import GATEWAY, Files

API = """
import asyncio, os, time

PAUSE = 0.1  # seconds between two events

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            event = await receive()
            await send({"type": event["type"] + ".complete"})
            if event["type"] == "lifespan.shutdown":
                return
    elif scope["type"] == "websocket":
        await echo(receive, send)
    else:
        await ROUTES[scope["path"].removeprefix(scope["root_path"])](scope, receive, send)

async def fast(scope, receive, send):
    await answer(send, os.environ.get("VERSION", "").encode())

async def body_back(scope, receive, send):
    body = b""
    while True:
        event = await receive()
        body += event.get("body", b"")
        if not event.get("more_body"):
            break
    await answer(send, body)

async def slow(scope, receive, send):
    await asyncio.sleep(float(scope["query_string"]))
    await answer(send, b"slow")

async def events(scope, receive, send):
    left = int(scope["query_string"] or -1)
    headers = [(b"content-type", b"text/event-stream")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    number = 0
    gone = asyncio.ensure_future(disconnect(receive))
    while number != left and not gone.done():
        number += 1
        event = b"id: %d\\ndata: %f\\n\\n" % (number, time.time())
        await send({"type": "http.response.body", "body": event, "more_body": True})
        await asyncio.wait([gone], timeout=PAUSE)
    gone.cancel()
    await send({"type": "http.response.body", "body": b""})

async def disconnect(receive):
    while (await receive())["type"] != "http.disconnect":
        pass

async def echo(receive, send):
    await receive()
    await send({"type": "websocket.accept"})
    while True:
        event = await receive()
        if event["type"] == "websocket.disconnect":
            return
        await send({"type": "websocket.send", "text": event["text"]})

async def answer(send, body):
    headers = [(b"content-length", str(len(body)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})

ROUTES = {"/fast": fast, "/echo": body_back, "/slow": slow, "/events": events}
"""

CALLER = """
import contextlib

import httpx
from starlette.applications import Starlette
from starlette.responses import PlainTextResponse
from starlette.routing import Route

@contextlib.asynccontextmanager
async def lifespan(app):
    async with httpx.AsyncClient(base_url="http://api.plt.local", timeout=30) as app.state.client:
        yield

async def call(request):
    client = request.app.state.client
    try:
        first = await client.get("/fast")
        second = await client.post("/echo", content=b"x" * 1000)
    except httpx.HTTPError as error:
        return PlainTextResponse(f"the call failed: {error!r}", 500)
    return PlainTextResponse("called", 200 if (first.status_code, second.status_code) == (200, 200) else 500)

app = Starlette(routes=[Route("/", call)], lifespan=lifespan)
"""


def loaded_app(*, engine: str = "uvicorn", version: str = "1", workers: int = 1, drain: int = 8000) -> Files:
    """Return an app with a gateway, `api`, and `caller`, which calls `api` with a client of its own.

    `version`: the response of `api` to GET /fast. `drain`: milliseconds that a replaced worker may take to end.
    """
    return {
        "watt.json": root_file(version=version, workers=workers, drain=drain),
        "web/gateway/platformatic.json": GATEWAY,
        "web/api/watt.json": {"type": "python", "server": {"engine": engine}},
        "web/api/app.py": API,
        "web/caller/app.py": CALLER,
    }


def root_file(*, version: str = "1", workers: int = 1, drain: int = 8000, more: bool = False) -> dict[str, Any]:
    """Return the app's root file. `more`: with a service that nobody calls, but that the gateway leads to."""
    api = {"id": "api", "path": "web/api", "workers": workers, "env": {"VERSION": version}}
    one_more = [{"id": "more", "path": "web/api"}] if more else []
    return {
        "entrypoint": "gateway",
        "web": [{"id": "gateway", "path": "web/gateway"}, api, {"id": "caller", "path": "web/caller"}, *one_more],
        "server": {"port": "{PORT}"},
        "gracefulShutdown": {"drain": drain},
    }
