"""The smallest service that can be measured: plain ASGI, one answer, and a count of the webhooks it got."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Callable
from typing import Any

counts = {"received": 0}


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer GET /hello, POST /hook and GET /count."""
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    path = scope["path"].removeprefix(scope["root_path"])
    if path == "/hook":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        counts["received"] += 1
        answer = b""
    elif path == "/count":
        answer = json.dumps(counts).encode()
    else:
        answer = b'{"hello":"world"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
