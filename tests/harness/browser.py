"""A headless browser on a dashboard: any request that leaves it, failed script or refused file is a failure."""

from __future__ import annotations

import importlib.util
import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from harness.app import RunningApp

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
MISSING = (
    "playwright is not installed here"
    if importlib.util.find_spec("playwright") is None
    else "there is no chromium here (Debian: apt-get install chromium)"
    if CHROMIUM is None
    else ""
)
FLAGS = ("--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking", "--disable-sync")
PATIENCE_MS = 30_000
TASK, MAIN_THREAD = "RunTask", "CrRendererMain"

Page = Any


def dashboard_url(app: RunningApp) -> str:
    """Return the URL that `pywatt dev` has logged, with its token."""
    return str(app.wait_for_text("the dashboard is at ")["msg"]).rpartition(" ")[2]


@contextmanager
def browser() -> Iterator[Any]:
    """Run a browser."""
    from playwright.sync_api import sync_playwright

    with sync_playwright() as playwright:
        yield playwright.chromium.launch(executable_path=CHROMIUM, args=list(FLAGS))


@contextmanager
def open_page(chromium: Any, url: str, view: str = "", **context: Any) -> Iterator[Page]:
    """Open a dashboard at one of its views; at the end, nothing may have gone wrong in it."""
    options = chromium.new_context(viewport={"width": 1280, "height": 900}, **context)
    options.set_default_timeout(PATIENCE_MS)
    page = options.new_page()
    origin = url.partition("#")[0]
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("request", lambda request: None if request.url.startswith(origin) else wrong.append(request.url))
    page.on("dialog", lambda dialog: wrong.append(f"a script ran: {dialog.message}"))
    page.goto(url)
    page.wait_for_selector("nav")
    if view:
        page.goto(f"{origin}#/{view}")
    page.wrong = wrong
    yield page
    options.close()
    assert wrong == [], "\n".join(wrong)


def begin_frames(chromium: Any, page: Page) -> None:
    """Record the tasks of a page's main thread."""
    chromium.start_tracing(page=page, categories=["toplevel", "devtools.timeline"])


def longest_frame(chromium: Any) -> float:
    """Return the milliseconds of processor time of the longest of them.

    It holds up frames for as long, on a machine that does nothing else; the time by the clock would depend on that.
    """
    events = json.loads(chromium.stop_tracing())["traceEvents"]
    names = {(each["pid"], each["tid"]): each["args"]["name"] for each in events if each.get("name") == "thread_name"}
    tasks = [
        each.get("tdur", 0) / 1000
        for each in events
        if TASK in each.get("name", "") and names.get((each["pid"], each["tid"])) == MAIN_THREAD
    ]
    assert tasks, "chromium has recorded no task"
    print(f"longest task of the page: {max(tasks):.0f} ms of processor time")
    return float(max(tasks))
