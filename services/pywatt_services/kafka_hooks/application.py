"""The ASGI application: `POST /topics/:topic` and the paths of `requestResponse`. Plain, as it is on the hot path."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, MutableMapping
from functools import partial
from typing import Any, TypeAlias

from pywatt_services.kafka_hooks.answers import BODY_LIMIT, HttpAnswer, no_route, too_large
from pywatt_services.kafka_hooks.config import RequestReplyOptions
from pywatt_services.kafka_hooks.headers import RawHeaders
from pywatt_services.kafka_hooks.publish import Publisher
from pywatt_services.kafka_hooks.reply import Replies
from pywatt_services.kafka_hooks.routes import Routes, path_segments

Event: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[None]]

TOPICS = "topics"
NEVER_SIZED = frozenset({204, 304})
"""Statuses whose answers have no content-length (RFC 9110 section 8.6)."""


class ClientGoneError(Exception):
    """The client went away before its request was complete."""


class TooLargeError(Exception):
    """The body is over the limit."""


class Application:
    """Answers one HTTP request at a time per call."""

    def __init__(self, publisher: Publisher, replies: Replies | None, routes: Routes[RequestReplyOptions]) -> None:
        self._publisher = publisher
        self._replies = replies
        self._routes = routes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one ASGI scope; what is not HTTP is refused."""
        if scope["type"] == "http":
            try:
                answer = await self._answer(scope, receive)
            except ClientGoneError:
                return
            if answer is not None:
                await _respond(send, answer)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})

    async def _answer(self, scope: Scope, receive: Receive) -> HttpAnswer | None:
        """Return the answer; None when nobody waits for it any more."""
        path = _raw_path(scope)
        if scope["method"] == "POST":
            headers: RawHeaders = scope["headers"]
            try:
                if (topic := published_topic(path)) is not None:
                    return await self._publisher.publish(topic, headers, await _body(headers, receive))
                if self._replies is not None and (found := self._routes.find(path)) is not None:
                    route, params = found
                    return await self._replies.request(
                        route,
                        params=params,
                        query=scope["query_string"],
                        headers=headers,
                        body=await _body(headers, receive),
                        gone=partial(_gone, receive),
                    )
            except TooLargeError:
                return too_large()
        query = scope["query_string"].decode("latin-1")
        return no_route(scope["method"], f"{path}?{query}" if query else path)


def published_topic(raw_path: str) -> str | None:
    """Return the topic of `/topics/:topic`, else None."""
    segments = path_segments(raw_path)
    return segments[1] if len(segments) == 2 and segments[0] == TOPICS and segments[1] else None


def _raw_path(scope: Scope) -> str:
    """Return the path as it came over the wire, without the prefix that the app is mounted at."""
    raw = scope.get("raw_path") or scope["path"].encode("utf-8")
    path: str = raw.decode("latin-1")
    prefix: str = scope.get("root_path", "")
    return path.removeprefix(prefix) or "/"


async def _body(headers: RawHeaders, receive: Receive) -> bytes:
    """Read a request's body. Raises TooLargeError, ClientGoneError."""
    for name, value in headers:
        if name == b"content-length" and int(value) > BODY_LIMIT:
            raise TooLargeError
    chunks: list[bytes] = []
    size = 0
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise ClientGoneError
        chunk: bytes = event.get("body", b"")
        size += len(chunk)
        if size > BODY_LIMIT:
            raise TooLargeError
        chunks.append(chunk)
        if not event.get("more_body", False):
            return chunks[0] if len(chunks) == 1 else b"".join(chunks)


async def _gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def _respond(send: Send, answer: HttpAnswer) -> None:
    headers = [*answer.headers]
    if answer.status not in NEVER_SIZED:
        headers.append((b"content-length", b"%d" % len(answer.body)))
    await send({"type": "http.response.start", "status": answer.status, "headers": headers})
    await send({"type": "http.response.body", "body": answer.body})
