"""The view of Kafka, with the embedded broker: records, lag, webhooks, and the way of a dead letter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

API = """
async def app(scope, receive, send):
    body = (await receive()).get("body", b"")
    await send({"type": "http.response.start", "status": 500 if b"bad" in body else 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""
KAFKA = {
    "brokers": ["embedded"],
    "topics": [{"topic": "orders", "url": "http://api.plt.local/", "dlq": "orders-dlq", "retries": 1}],
    "consumer": {"groupId": "shop"},
}
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "hooks",
        "web": [{"id": "hooks", "path": "hooks"}, {"id": "api", "path": "api"}],
    },
    "hooks/watt.json": {"module": "@platformatic/kafka-hooks", "kafka": KAFKA},
    "api/app.py": API,
}


def publish(page: Any, key: str, value: str) -> None:
    page.get_by_role("button", name="Publish").click()
    page.get_by_label("Key", exact=True).fill(key)
    page.get_by_label("Value").fill(value)
    page.get_by_label("Headers").fill('{"source": "test"}')
    page.get_by_role("button", name="Publish", exact=True).click()
    page.get_by_text("Published as orders").last.wait_for()
    page.get_by_role("button", name="Close").last.click()


def test_records_and_dead_letters(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app), "kafka") as page:
        page.get_by_role("link", name="orders", exact=True).click()
        page.get_by_text("There are no such records.").wait_for()
        for number, text in enumerate(HOSTILE_TEXTS[:3]):
            publish(page, f"k{number}", text)
            page.locator(".record", has_text=text).wait_for()
        page.locator(".record", has_text="k1").click()
        page.get_by_text("source").wait_for()
        page.get_by_label("Search records").fill("k2")
        page.get_by_role("button", name="Read").click()
        page.locator(".record", has_text="k1").wait_for(state="detached")

        page.get_by_role("button", name="Follow").click()
        page.get_by_text("New records appear here.").wait_for()
        publish(page, "bad-key", '{"order": "bad"}')
        page.locator(".record", has_text="bad-key").wait_for()

        page.get_by_role("link", name="Groups").click()
        page.get_by_role("link", name="shop").click()
        page.get_by_role("region", name="Partitions of shop").get_by_text("orders").first.wait_for()
        page.get_by_role("link", name="Webhooks").click()
        page.get_by_role("region", name="Topics of hooks").get_by_text("orders").wait_for()

        page.get_by_role("link", name="Dead letters").click()
        page.get_by_role("link", name="orders-dlq").click()
        page.get_by_text("bad-key").wait_for()
        page.locator("button.link").click()
        page.get_by_text("the webhook answered 500").last.wait_for()
        page.get_by_role("button", name="Edit a copy").click()
        page.get_by_label("Value").fill('{"order": "mended"}')
        page.get_by_role("button", name="Publish", exact=True).click()
        page.get_by_text("Published as orders").last.wait_for()

        page.get_by_role("button", name="Redrive").click()
        page.get_by_text("1 record would be written to the topics they come from").wait_for()
        page.get_by_role("button", name="Redrive", exact=True).click()
        page.get_by_text("Redriven: 1 record of orders-dlq.").wait_for()
        page.get_by_text("redriven", exact=True).wait_for()
        page.get_by_label("Error", exact=True).fill("no such error")
        page.get_by_role("button", name="Find").click()
        page.get_by_text("No letter matches").wait_for()
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
