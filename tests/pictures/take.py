"""Takes the pictures of the dashboard in README.md and docs: `scripts/pictures [FOLDER]`.

Runs the shop with traffic, and a headless chromium that looks at it.
"""

from __future__ import annotations

import re
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
from harness.app import RunningApp, run_pywatt, write_files
from harness.browser import MISSING, browser, dashboard_url, open_page

from pictures.shop import FILES

FOLDER = Path(__file__).parents[2] / "docs/pictures"
WARM_SECONDS = 35
"""Until the graph has figures of its whole period, and the charts have a shape."""
PAUSE_SECONDS = 0.04
MOST_BYTES = 150_000
WIDE, NARROW = (1280, 800), (390, 780)
WHOLE = re.compile("events.*gateway.*orders.*prices.*shipping")
"""The services of a trace that is complete."""
CHART_MS = 20_000
SETTLE_MS = 4500
"""Two looks of the slowest live view."""


@contextmanager
def traffic(app: RunningApp) -> Iterator[None]:
    """Send requests while the context is open."""
    ending = threading.Event()

    def send() -> None:
        with httpx.Client(base_url=app.url, timeout=10) as client:
            while not ending.wait(PAUSE_SECONDS):
                client.post("/orders/", json={})
                client.get("/prices/tea")

    thread = threading.Thread(target=send)
    thread.start()
    try:
        yield
    finally:
        ending.set()
        thread.join()


def open_trace(page: Any) -> None:
    """Open a trace that goes through Kafka."""
    page.locator("tbody tr").filter(has_text=WHOLE).first.locator("a").first.click()
    page.locator(".waterfall").wait_for()


def open_record(page: Any) -> None:
    """Show a record with its traceback."""
    page.locator(".virtual-row.bad").last.click()


def show_gateway(page: Any) -> None:
    """Show the metrics of the gateway, once their charts have a shape."""
    page.get_by_label("Filter metrics").fill("gateway")
    page.wait_for_timeout(CHART_MS)


PICTURES: tuple[tuple[str, str, str, Callable[[Any], None] | None], ...] = (
    ("services", "services", "[data-service=orders]", None),
    ("graph", "services?tab=graph", ".figures", None),
    ("logs", "logs", ".virtual-row.bad", open_record),
    ("trace", "traces?sort=slowest", "tbody tr", open_trace),
    ("dead-letters", "kafka?tab=dlq&topic=orders-dlq", "tbody tr", None),
    ("metrics", "metrics", ".chart", show_gateway),
)
"""File, view, landmark, and what is done before the picture is taken."""
NARROW_PICTURES = ("graph",)


def take(app: RunningApp, folder: Path, wanted: tuple[str, ...] = ()) -> None:
    """Take all pictures, light and dark, or those named."""
    url = dashboard_url(app)
    origin = url.partition("#")[0]
    with browser() as chromium:
        for scheme in ("light", "dark"):
            with open_page(chromium, url, color_scheme=scheme, reduced_motion="reduce") as page:
                for name, view, landmark, act in PICTURES:
                    sizes = {"": WIDE, **({"-narrow": NARROW} if name in NARROW_PICTURES else {})}
                    for suffix, (width, height) in sizes.items():
                        file = f"{name}{suffix}-{scheme}.png"
                        if wanted and not any(each in file for each in wanted):
                            continue
                        page.set_viewport_size({"width": width, "height": height})
                        page.goto(f"{origin}#/{view}")
                        page.locator(landmark).first.wait_for()
                        if act is not None:
                            act(page)
                        page.wait_for_timeout(SETTLE_MS)
                        page.screenshot(path=folder / file)
                        size = (folder / file).stat().st_size
                        print(f"{file}  {size // 1000} kB{'  TOO LARGE' if size > MOST_BYTES else ''}", flush=True)
                page.wrong.clear()


def main(folder: Path, wanted: tuple[str, ...]) -> None:
    """Run the shop and take the pictures."""
    if MISSING:
        raise SystemExit(MISSING)
    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as place:
        root = Path(place) / "shop"
        root.mkdir()
        write_files(root, FILES)
        with run_pywatt(root, "dev", env={"XDG_STATE_HOME": place}) as app:
            with traffic(app):
                time.sleep(WARM_SECONDS)
                take(app, folder, wanted)
            app.stop()


if __name__ == "__main__":
    main(Path(sys.argv[1]) if len(sys.argv) > 1 else FOLDER, tuple(sys.argv[2:]))
