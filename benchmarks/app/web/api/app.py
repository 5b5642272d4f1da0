"""The smallest service that can be measured: plain ASGI, one answer, and a count of the webhooks it got."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable
from typing import Any

bodies: set[bytes] = set()
received: list[float] = []


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer GET /hello, POST /hook and GET /count."""
    if scope["type"] != "http":
        raise RuntimeError(f"no {scope['type']} here")
    if scope["path"] == "/hook":
        body, more = b"", True
        while more:
            message = await receive()
            body, more = body + message.get("body", b""), message.get("more_body", False)
        received.append(time.monotonic())
        bodies.add(body)
        answer = b""
    elif scope["path"] == "/count":
        seconds = received[-1] - received[0] if received else 0.0
        answer = json.dumps({"received": len(received), "different": len(bodies), "seconds": seconds}).encode()
    else:
        answer = b'{"hello":"world"}'
    headers = [(b"content-type", b"application/json"), (b"content-length", str(len(answer)).encode())]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": answer})
