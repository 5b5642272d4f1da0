"""The view of the configuration: each value with its source, secrets hidden, texts as they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

NOTES = {f"NOTE_{at}": text.replace("{", "\\{") for at, text in enumerate(HOSTILE_TEXTS)}
FILES: Mapping[str, Any] = {
    "watt.json": {
        "server": {"port": "{SHOP_PORT:-0}"},
        "entrypoint": "api",
        "web": [{"id": "api", "path": "api", "env": {**NOTES, "SHOP_PASSWORD": "swordfish"}}],
    },
    "api/watt.json": {"module": "python", "python": {"threads": 3}},
    "api/app.py": "async def app(scope, receive, send): ...",
}


def test_values_have_their_sources(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app), "config") as page:
        sources = page.get_by_role("region", name="Values and sources")
        port = sources.get_by_role("row").filter(has=page.get_by_text("server.port", exact=True))
        port.get_by_text("SHOP_PORT: default").wait_for()
        assert "watt.json:" in port.inner_text()
        assert sources.get_by_text("server.backlog").count() == 0
        sources.get_by_role("button", name="default").click()
        sources.get_by_role("row").filter(has_text="server.backlog").get_by_text("default", exact=True).wait_for()
        page.goto(f"{page.url.partition('#')[0]}#/config?service=api")
        threads = sources.get_by_role("row").filter(has_text="python.threads")
        threads.get_by_text("api/watt.json:").wait_for()
        for text in HOSTILE_TEXTS:
            if "{" not in text:
                sources.get_by_text(text).first.wait_for()
        assert "swordfish" not in page.content()
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
