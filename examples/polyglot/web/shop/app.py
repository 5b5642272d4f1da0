"""The shop, in Python: asks the two services in other languages by name."""

from __future__ import annotations

import asyncio
from typing import Any

import httpx
from quart import Quart

DISCOUNT_PERCENT = 10

app = Quart(__name__)


@app.get("/items/<name>")
async def item(name: str) -> dict[str, Any]:
    async with httpx.AsyncClient() as client:
        price, stock = await asyncio.gather(
            client.get(f"http://prices.plt.local/{name}"), client.get(f"http://stock.plt.local/{name}")
        )
    return {"item": name, "cents": price.json()["cents"], "count": stock.json()["count"]}


@app.get("/discount")
async def discount() -> dict[str, int]:
    return {"percent": DISCOUNT_PERCENT}
