"""Server-sent events as responses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, cast

from quart import Response

Event = tuple[str, Any]
"""A name and its data, which becomes JSON."""
KEEP_ALIVE_SECONDS = 15.0
"""A silent stream sends a comment this often, so that proxies keep it, and a client that is gone is noticed."""


def event_stream(events: AsyncGenerator[Event, None]) -> Response:
    """Return a response that sends the events until its client leaves."""
    return streamed(encoded(events))


def streamed(body: AsyncIterator[bytes]) -> Response:
    """Return a response of events that are encoded already."""
    response = Response(cast("Any", body), content_type="text/event-stream; charset=utf-8")
    response.timeout = None
    response.headers["Cache-Control"] = "no-store"
    response.headers["X-Accel-Buffering"] = "no"
    return response


def encode(name: str, data: Any) -> bytes:
    """Return one event: JSON has no line breaks outside its strings' escapes."""
    return f"event: {name}\ndata: {json.dumps(data, separators=(',', ':'))}\n\n".encode()


async def encoded(events: AsyncGenerator[Event, None]) -> AsyncIterator[bytes]:
    """Yield the bytes of a stream, with a comment now and then while nothing happens."""
    waiting: asyncio.Task[Event] | None = None
    try:
        yield b": hello\n\n"
        while True:
            waiting = waiting or asyncio.ensure_future(anext(events))
            done, _ = await asyncio.wait([waiting], timeout=KEEP_ALIVE_SECONDS)
            if not done:
                yield b": still here\n\n"
                continue
            try:
                name, data = waiting.result()
            except StopAsyncIteration:
                return
            waiting = None
            yield encode(name, data)
    finally:
        if waiting is not None:
            waiting.cancel()
            await asyncio.wait([waiting])
        await events.aclose()
