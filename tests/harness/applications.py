"""Small ASGI applications to serve in tests."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

from pywatt.worker.asgi.serve_asgi import Receive, Scope, Send


@dataclass
class Recorder:
    """Answers 200 with the request's body, and records every request."""

    requests: list[tuple[str, str, bytes]] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        body = b""
        more = True
        while more:
            event = await receive()
            body += event.get("body", b"")
            more = event.get("more_body", False)
        self.requests.append((scope["method"], scope["path"], body))
        self.scopes.append(scope)
        await answer(send, body)


@dataclass
class Gate:
    """Holds each request until it is opened."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    opened: asyncio.Event = field(default_factory=asyncio.Event)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        self.entered.set()
        await self.opened.wait()
        await answer(send, b"done")


@dataclass
class EndlessStream:
    """Starts an answer that never ends."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: list[str] = field(default_factory=list)
    heeds_disconnect: bool = False

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"first", "more_body": True})
        self.entered.set()
        try:
            if self.heeds_disconnect:
                self.ended_by.append((await receive())["type"])
            else:
                await asyncio.Event().wait()
        except asyncio.CancelledError:
            self.ended_by.append("cancelled")
            raise


@dataclass
class Echo:
    """A WebSocket that echoes messages."""

    disconnected_with: list[int] = field(default_factory=list)
    scopes: list[Scope] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"
        self.scopes.append(scope)
        await receive()
        await send({"type": "websocket.accept"})
        while True:
            event: Any = await receive()
            if event["type"] == "websocket.disconnect":
                self.disconnected_with.append(event["code"])
                return
            await send({"type": "websocket.send", "text": event["text"]})


async def answer(send: Send, body: bytes) -> None:
    length = str(len(body)).encode()
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", length)]})
    await send({"type": "http.response.body", "body": body})


@dataclass
class Events:
    """Streams server-sent events until its client disconnects; reports how it noticed."""

    entered: asyncio.Event = field(default_factory=asyncio.Event)
    ended_by: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "http"
        await receive()
        headers = [(b"content-type", b"text/event-stream; charset=utf-8")]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": b"data: 1\n\n", "more_body": True})
        self.entered.set()
        self.ended_by.append((await receive())["type"])
        # Whatever an application still sends must not reach anybody, nor raise.
        await send({"type": "http.response.body", "body": b"data: 2\n\n", "more_body": True})
