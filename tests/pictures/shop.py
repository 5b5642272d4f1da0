"""A small shop with everything that the dashboard shows: a gateway, three services, topics, webhooks, failures."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

SERVICE = """
import asyncio, json, logging, random
import httpx

log = logging.getLogger("{name}")
client = httpx.AsyncClient()

async def answer(send, status, document):
    await send({{"type": "http.response.start", "status": status, "headers": [(b"content-type", b"application/json")]}})
    await send({{"type": "http.response.body", "body": json.dumps(document).encode()}})

async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    body = (await receive()).get("body", b"")
{body}
"""

BODIES = {
    "orders": """
    number = random.randrange(1000, 9999)
    await asyncio.sleep(random.uniform(0.002, 0.012))
    price = (await client.get("http://prices.plt.local/tea")).json()
    order = {"id": number, "item": "tea", "price": price["price"]}
    await client.post("http://events.plt.local/topics/orders", json=order,
                      headers={"x-plt-kafka-hooks-key": f"customer-{number % 40}"})
    log.info("order %d placed", number)
    await answer(send, 201, order)
""",
    "prices": """
    await asyncio.sleep(random.uniform(0.004, 0.03))
    if random.random() < 0.02:
        log.warning("the price list is old: tea")
    await answer(send, 200, {"price": 4.2})
""",
    "shipping": """
    await asyncio.sleep(random.uniform(0.01, 0.06))
    order = json.loads(body)
    if scope["path"] == "/invoices":
        return await answer(send, 200, {})
    if order["id"] % 29 == 0:
        try:
            raise LookupError(f"no address for the order {order['id']}")
        except LookupError:
            log.exception("the order %d cannot be sent", order["id"])
        return await answer(send, 500, {})
    log.info("order %d packed", order["id"])
    await answer(send, 200, {})
""",
}
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "gateway",
        "metrics": {"server": False},
        "web": [{"id": name, "path": name} for name in ("gateway", *BODIES, "events")],
    },
    "gateway/watt.json": {
        "type": "gateway",
        "gateway": {
            "applications": [
                {"id": "orders", "proxy": {"prefix": "/orders"}},
                {"id": "prices", "proxy": {"prefix": "/prices"}},
            ]
        },
    },
    "events/watt.json": {
        "type": "kafka-hooks",
        "brokers": ["embedded"],
        "publish": {"topics": ["orders"]},
        "topics": [
            {
                "topic": "orders",
                "url": "http://shipping.plt.local/",
                "dlq": "orders-dlq",
                "retries": 1,
                "retryDelay": 250,
            },
            {"topic": "invoices", "url": "http://shipping.plt.local/invoices", "dlq": False},
        ],
        "consumer": {"groupId": "shop"},
    },
    **{f"{name}/app.py": SERVICE.format(name=name, body=body) for name, body in BODIES.items()},
}
