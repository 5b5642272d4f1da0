"""The graph of services: live, by mouse and keyboard, and as a table."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page

pytestmark = pytest.mark.blackbox

API = """
async def app(scope, receive, send):
    status = 500 if scope["path"] == "/api/fail" else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": b""})
"""
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": 0},
        "entrypoint": "gateway",
        "metrics": {"server": False},
        "web": [{"id": name, "path": name} for name in ("gateway", "api", "hooks")],
    },
    "gateway/watt.json": {
        "type": "gateway",
        "gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/api"}}, {"id": "hooks"}]},
    },
    "api/app.py": API,
    "hooks/watt.json": {
        "type": "kafka-hooks",
        "brokers": ["embedded"],
        "publish": {"topics": ["orders"]},
        "topics": [{"topic": "orders", "url": "http://api.plt.local/api/", "dlq": "orders-dlq"}],
        "consumer": {"groupId": "shop"},
    },
}


def test_edges_show_the_traffic(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app)) as page:
        page.get_by_role("link", name="Graph").click()
        for node in ("clients", "service:gateway", "service:api", "service:hooks", "topic:orders", "topic:orders-dlq"):
            page.locator(f"[data-node='{node}']").wait_for()
        table = page.get_by_role("region", name="Table of the traffic")
        edge = table.locator("tr").filter(has_text="gatewayapi")
        record = table.locator("tr").filter(has_text="topic ordershooks")

        def figures(row: Any) -> list[str]:
            return [str(text) for text in row.locator("td").all_inner_texts()]

        edge.wait_for()
        record.wait_for()
        for path in ("/api/", "/api/fail"):
            app.get(path)
        assert app.post("/hooks/topics/orders", json={}).status_code == HTTPStatus.ACCEPTED
        page.wait_for_function(
            "() => [...document.querySelectorAll('.figures.bad text')].some((each) => each.textContent.includes('%'))"
        )
        record.get_by_text("metrics").wait_for()
        edge.get_by_text("metrics").wait_for()
        rate, errors, p95, source = figures(edge)[2:]
        assert rate.endswith("/s")
        assert rate != "0/s"
        assert errors.endswith(" %")
        assert p95.endswith("s")
        assert source == "metrics"

        node = page.locator("[data-node='service:api']")
        assert "gateway to api: " in str(node.get_attribute("aria-label"))
        node.focus()
        page.keyboard.press("Enter")
        page.get_by_role("heading", name="Traffic of api").wait_for()
        assert node.get_attribute("aria-pressed") == "true"
        assert table.locator("tr").filter(has_text="clientsgateway").count() == 0
        page.get_by_role("button", name="Show all").click()
        table.locator("tr").filter(has_text="clientsgateway").wait_for()
        page.locator("[data-node='topic:orders']").click()
        page.get_by_role("link", name="Its records").click()
        page.get_by_role("heading", name="Kafka").wait_for()
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
