"""Small apps for tests, as users would write them."""

from __future__ import annotations

from typing import Any

Files = dict[str, str | dict[str, Any]]

GATEWAY: dict[str, Any] = {"$schema": "https://schemas.platformatic.dev/@platformatic/gateway/3.0.0.json"}

ASGI_API = """
import json, os

received = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        while True:
            message = await receive()
            await send({"type": message["type"] + ".complete"})
            if message["type"] == "lifespan.shutdown":
                return
    body = b""
    while True:
        message = await receive()
        body += message.get("body", b"")
        if not message.get("more_body"):
            break
    path = scope["path"].removeprefix(scope["root_path"])
    answer = {"path": path, "method": scope["method"], "body": body.decode(), "pid": os.getpid()}
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"application/json")]})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
"""

SLOW_API = """
import asyncio

async def app(scope, receive, send):
    assert scope["type"] == "http"
    print("request arrived", flush=True)
    await asyncio.sleep(1)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"late"})
"""


def gateway_and_api(api: str = ASGI_API, **root: Any) -> Files:
    """Return an app with a gateway before one python service."""
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "web": [{"id": "gateway", "path": "web/gateway"}, {"id": "api", "path": "web/api"}],
            "server": {"port": "{PORT}"},
            **root,
        },
        "web/gateway/platformatic.json": GATEWAY,
        "web/api/app.py": api,
    }
