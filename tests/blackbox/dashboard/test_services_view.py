"""The view of the services: live, and each action says what is going to happen."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start, write_files
from harness.browser import dashboard_url, open_page

pytestmark = pytest.mark.blackbox

APP = """
async def app(scope, receive, send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
ROOT = {
    "server": {"port": 0},
    "entrypoint": "gateway",
    "web": [{"id": "gateway", "path": "gateway"}, {"id": "api", "path": "api"}],
}
FILES: Mapping[str, Any] = {
    "watt.json": ROOT,
    "gateway/watt.json": {"module": "@platformatic/gateway", "gateway": {"applications": [{"id": "api"}]}},
    "api/app.py": APP,
}


def test_actions_say_what_happens_and_do_it(start: Start, chromium: Any, tmp_path: Path) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app)) as page:
        assert "#token" not in page.url
        api = page.locator("[data-service=api]")
        api.get_by_text("1 of 1 ready").wait_for()

        page.get_by_role("button", name="Scale api").click()
        page.get_by_label("Workers").fill("2")
        page.get_by_text("1 worker more starts, and gets requests once ready.").wait_for()
        page.get_by_role("button", name="Scale", exact=True).click()
        api.get_by_text("2 of 2 ready").wait_for()

        page.get_by_role("button", name="Restart api").click()
        page.get_by_text("2 workers are replaced").wait_for()
        page.get_by_role("button", name="Restart", exact=True).click()
        page.get_by_text("Restarted api.").wait_for()

        page.get_by_role("button", name="Stop api").click()
        page.get_by_text("These call or need it: gateway.").wait_for()
        page.get_by_role("button", name="Cancel").click()
        page.get_by_role("button", name="Stop api").click()
        page.get_by_role("button", name="Stop", exact=True).click()
        api.get_by_text("stopped").wait_for()
        page.get_by_role("button", name="Start api").click()
        page.get_by_role("button", name="Start", exact=True).click()
        api.get_by_text("ready", exact=True).wait_for()

        more = {**ROOT, "web": [*ROOT["web"], {"id": "later", "path": "later"}]}
        write_files(tmp_path, {"later/app.py": APP})
        (tmp_path / "watt.json").write_text(json.dumps(more))
        page.locator("[data-service=later]").wait_for()  # `pywatt dev` applies it by itself
        page.get_by_role("button", name="Reload").click()
        page.get_by_text("The config files have not changed").wait_for()
        page.keyboard.press("Escape")

        page.get_by_role("button", name="Stop app").click()
        page.get_by_role("button", name="Stop the app").click()
        page.get_by_text("not connected").wait_for()
        assert app.wait() == 0
        page.goto("about:blank")  # it would try to connect again
        page.wrong.clear()  # the browser reports the connections that were refused


def test_a_page_without_the_token_asks_for_it(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app:
        url = dashboard_url(app)
        origin, _, token = url.partition("#token=")
        page = chromium.new_page()
        page.goto(origin)
        page.get_by_label("Token").fill("wrong")
        page.get_by_role("button", name="Open").click()
        page.get_by_label("Token").fill(token)
        page.get_by_role("button", name="Open").click()
        page.locator("[data-service=api]").wait_for()
        page.reload()
        page.locator("[data-service=api]").wait_for()
        page.close()
        assert app.stop() == 0


def test_read_only_offers_no_action(start: Start, chromium: Any) -> None:
    files = {**FILES, "watt.json": {**ROOT, "dashboard": {"readOnly": True}}}
    with start(files, "dev") as app:
        with open_page(chromium, dashboard_url(app)) as page:
            page.locator("[data-service=api]").wait_for()
            page.get_by_text("read only").wait_for()
            assert page.get_by_role("button", name="Stop").count() == 0
        assert app.stop() == 0
