"""Prometheus's own check of the app's page, by the program that PYWATT_PROMTOOL names."""

from __future__ import annotations

import os
import subprocess

import httpx
import pytest
from harness.app import PATIENCE, Start
from harness.apps import Files
from harness.scraping import metrics_url

PROMTOOL = os.environ.get("PYWATT_PROMTOOL")
API = """
import httpx
from prometheus_client import Counter, Gauge, Histogram

ORDERS = Counter("orders_total", "Orders by country", ["country"])
OPEN = Gauge("orders_open", "Open orders")
SECONDS = Histogram("order_duration_seconds", "Duration of an order")
client = httpx.AsyncClient()


async def app(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] != "/":
        ORDERS.labels("nl").inc()
        OPEN.set(1)
        SECONDS.observe(0.1)
        await client.get("http://gateway.plt.local/")
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"0")]})
    await send({"type": "http.response.body", "body": b""})
"""


@pytest.mark.skipif(PROMTOOL is None, reason="PYWATT_PROMTOOL names no promtool of Prometheus")
@pytest.mark.parametrize("options", [{}, {"perWorker": True, "labels": {"cluster": "eu"}}])
def test_the_page_is_clean(start: Start, options: dict[str, object]) -> None:
    assert PROMTOOL is not None
    files: Files = {
        "watt.json": {
            "entrypoint": "gateway",
            "server": {"port": "{PORT}"},
            "metrics": {"hostname": "127.0.0.1", "port": 0, **options},
            "web": [{"id": name, "path": name} for name in ("gateway", "api", "hooks")],
        },
        "gateway/watt.json": {
            "type": "gateway",
            "gateway": {
                "applications": [
                    {"id": "api", "proxy": {"prefix": "/api"}},
                    {"id": "hooks", "proxy": {"prefix": "/hooks"}},
                ]
            },
        },
        "api/app.py": API,
        "hooks/watt.json": {"type": "kafka-hooks", "brokers": ["127.0.0.1:1"], "publish": {"topics": ["orders"]}},
    }
    with start(files) as app:
        assert app.get("/api/order").status_code == 200
        assert app.get("/nowhere").status_code == 404
        assert app.post("/hooks/topics/orders", content=b"1").status_code == 503
        page = httpx.get(metrics_url(app), timeout=PATIENCE).raise_for_status().text
    for family in ("pywatt_gateway_requests_total", "pywatt_mesh_requests_total", "orders_total", "kafka_hooks_"):
        assert family in page
    checked = subprocess.run([PROMTOOL, "check", "metrics"], input=page, capture_output=True, text=True, timeout=60)
    assert (checked.returncode, checked.stdout + checked.stderr) == (0, "")
