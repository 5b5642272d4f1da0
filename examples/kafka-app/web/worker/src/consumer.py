"""The worker: takes notifications as webhooks, and answers `POST /async/process`, which comes over two topics."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from quart import Quart, request

from pywatt_kafka import Call, Reply, Responder

app = Quart(__name__)
notifications: deque[Any] = deque(maxlen=100)
responder = Responder("process-requests", "process-responses", group="worker")


@app.post("/notify")
async def notify() -> tuple[str, int]:
    notifications.append(await request.get_json(force=True))
    return "", 204


@app.get("/notifications")
async def list_notifications() -> list[Any]:
    return list(notifications)


@responder
async def process(call: Call) -> Reply:
    """Answer with the request's own body."""
    try:
        return Reply({"processed": call.json()})
    except ValueError as error:
        return Reply({"error": f"the request is not JSON: {error}"}, status=400)


@app.while_serving
async def respond() -> AsyncGenerator[None]:
    async with responder:
        yield
