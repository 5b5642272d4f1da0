"""The view of the log: live, filtered, as text, and calm under a flood."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from harness.app import Start
from harness.browser import begin_frames, dashboard_url, longest_frame, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

LINES_PER_SECOND = 10_000
FLOOD_SECONDS = 6
LONGEST_TASK_MS = 100
MOST_ROWS = 200
API = f"""
import asyncio, json, logging, sys, time

log = logging.getLogger("shop")

async def flood():
    line = "x" * 80
    for turn in range({FLOOD_SECONDS * 20}):
        sys.stdout.write("".join(f"flood {{turn}} {{at}} {{line}}\\n" for at in range({LINES_PER_SECOND // 20})))
        sys.stdout.flush()
        await asyncio.sleep(0.05)

async def app(scope, receive, send):
    body = (await receive()).get("body", b"")
    if scope["path"] == "/flood":
        await flood()
    elif scope["path"] == "/fail":
        try:
            raise ValueError("out of stock")
        except ValueError:
            log.exception("the order failed")
    else:
        log.warning(json.loads(body)["text"])
    await send({{"type": "http.response.start", "status": 204, "headers": []}})
    await send({{"type": "http.response.body", "body": b""}})
"""
FILES: Mapping[str, Any] = {
    "watt.json": {"server": {"port": 0}, "entrypoint": "api", "web": [{"id": "api", "path": "api"}]},
    "api/app.py": API,
}


def test_records_are_live_filtered_and_text(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app), "logs") as page:
        rows = page.locator(".virtual-row")
        rows.filter(has_text="pywatt is now listening at").wait_for()
        assert rows.filter(has_text="#token=[hidden]").count() == 1
        for text in HOSTILE_TEXTS:
            app.post("/", json={"text": text})
            rows.filter(has_text=text).last.wait_for()
        rows.filter(has_text=HOSTILE_TEXTS[0]).last.click()
        details = page.get_by_role("region", name="Record")
        details.get_by_text(HOSTILE_TEXTS[0]).first.wait_for()
        details.get_by_text("worker").wait_for()

        app.get("/fail")
        failed = rows.filter(has_text="the order failed · ValueError: out of stock")
        failed.get_by_text("lines").wait_for()
        failed.click()
        details.get_by_text("Traceback (most recent call last)").wait_for()

        page.get_by_label("Level").select_option("error")
        rows.filter(has_text=HOSTILE_TEXTS[0]).first.wait_for(state="detached")
        failed.wait_for()
        page.keyboard.press("/")
        page.keyboard.type("(unclosed")
        page.get_by_role("alert").wait_for()
        page.wrong.clear()  # the browser reports the status 400
        page.get_by_label("Text").fill("nothing has this")
        page.get_by_text("No record matches").wait_for()
        page.get_by_label("Text").fill("order fail")
        failed.wait_for()
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0


def test_a_flood_of_lines_does_not_stop_the_page(start: Start, chromium: Any) -> None:
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app), "logs") as page:
        page.locator(".virtual-row").first.wait_for()
        begin_frames(chromium, page)
        httpx.get(f"{app.url}/flood", timeout=60)
        page.locator(".virtual-row").filter(has_text=f"flood {FLOOD_SECONDS * 20 - 1} ").first.wait_for()
        page.get_by_role("status").filter(has_text="not shown").wait_for()
        assert page.locator(".virtual-row").count() < MOST_ROWS
        assert longest_frame(chromium) <= LONGEST_TASK_MS
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0
