"""A profile is recorded from the page and shown as a flame graph and a table."""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from typing import Any

import httpx
import pytest
from harness.app import Start
from harness.browser import dashboard_url, open_page
from harness.hostile_texts import HOSTILE_TEXTS

pytestmark = pytest.mark.blackbox

HOSTILE = HOSTILE_TEXTS[1]
API = f"""
import time

source = "def burn(end):\\n    while time.monotonic() < end:\\n        sum(range(1000))\\n"
# The name of the file that a frame has is a text that may be anything.
scope_ = {{"time": time}}
exec(compile(source, {HOSTILE!r}, "exec"), scope_)
kept = []

async def app(scope, receive, send):
    scope_["burn"](time.monotonic() + 0.2)
    kept.append(bytes(2_000_000))
    await send({{"type": "http.response.start", "status": 204, "headers": []}})
    await send({{"type": "http.response.body", "body": b""}})
"""
FILES: Mapping[str, Any] = {
    "watt.json": {"server": {"port": 0}, "entrypoint": "api", "web": [{"id": "api", "path": "api"}]},
    "api/app.py": API,
}


@pytest.mark.parametrize("kind", ["cpu", "memory"])
def test_it_is_recorded_and_shown(start: Start, chromium: Any, kind: str) -> None:
    if kind == "cpu" and not _has_py_spy():
        pytest.skip("there is no py-spy here")
    ended = threading.Event()
    with start(FILES, "dev") as app, open_page(chromium, dashboard_url(app)) as page:
        url = app.url

        def load() -> None:
            with httpx.Client() as client:
                while not ended.is_set():
                    client.get(url, timeout=30)

        loading = threading.Thread(target=load)
        loading.start()
        try:
            page.get_by_role("button", name="api", expanded=False).click()
            page.get_by_role("link", name="Record a profile").click()
            page.locator("select[name=kind]").select_option(kind)
            page.get_by_label("Seconds").fill("2")
            page.get_by_role("button", name="Record").click()
            page.get_by_role("region", name="Profiles").get_by_role("link", name="api").click()
        finally:
            ended.set()
            loading.join()
        frames = page.get_by_role("group", name="Frames")
        functions = page.get_by_role("region", name="Functions by their own share")
        frame = frames.get_by_role("button", name=re.compile("burn" if kind == "cpu" else r"app\.py")).first
        frame.wait_for()
        functions.get_by_text("burn" if kind == "cpu" else "app.py").first.wait_for()
        if kind == "cpu":
            functions.get_by_text(HOSTILE).first.wait_for()
        frame.focus()
        page.keyboard.press("Enter")
        page.get_by_role("button", name="Show all").click()
        page.get_by_label("Mark functions").fill("burn")
        page.goto("about:blank")  # it would try to connect again
        assert app.stop() == 0


def _has_py_spy() -> bool:
    from pywatt.errors import MissingExtra
    from pywatt.profiling.py_spy import find_program

    try:
        find_program()
    except MissingExtra:
        return False
    return True
