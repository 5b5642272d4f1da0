"""The orders API: takes each record of the topic `orders-created` as a webhook and shows what it got."""

from __future__ import annotations

from collections import deque
from typing import Any

from quart import Quart, request

app = Quart(__name__)
orders: deque[dict[str, Any]] = deque(maxlen=100)


@app.get("/hello")
async def hello() -> dict[str, str]:
    return {"hello": "world"}


@app.post("/webhooks/orders")
async def receive_order() -> tuple[str, int]:
    # A body that is no JSON is answered 400: kafka-hooks then writes the record to orders-created-dlq.
    order = await request.get_json(force=True)
    orders.append(
        {
            "key": request.headers.get("x-plt-kafka-hooks-key"),
            "attempt": int(request.headers.get("x-plt-kafka-hooks-attempt", "1")),
            "order": order,
        }
    )
    return "", 204


@app.get("/orders")
async def list_orders() -> list[dict[str, Any]]:
    return list(orders)
