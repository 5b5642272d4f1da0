"""The service behind all contestants: plain ASGI, as little work per request as possible."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

LARGE = b"x" * 64 * 1024
HELLO = b'{"hello":"world"}'


async def app(
    scope: dict[str, Any],
    receive: Callable[[], Awaitable[dict[str, Any]]],
    send: Callable[[dict[str, Any]], Awaitable[None]],
) -> None:
    """Answer GET /hello and GET /large, take POST /upload, echo the messages of a WebSocket."""
    if scope["type"] == "websocket":
        await _echo(receive, send)
        return
    path = scope["path"]
    if path.endswith("/upload"):
        more = True
        while more:
            more = (await receive()).get("more_body", False)
    body = LARGE if path.endswith("/large") else HELLO
    headers = [(b"content-type", b"application/json"), (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": body})


async def _echo(
    receive: Callable[[], Awaitable[dict[str, Any]]], send: Callable[[dict[str, Any]], Awaitable[None]]
) -> None:
    await receive()
    await send({"type": "websocket.accept"})
    while (message := await receive())["type"] == "websocket.receive":
        await send({"type": "websocket.send", "bytes": message.get("bytes"), "text": message.get("text")})
