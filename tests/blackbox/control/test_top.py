"""`pywatt top`: what it shows of real requests, live and once."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import httpx
from harness.app import Start
from harness.apps import gateway_and_api
from harness.terminal import Outcome, terminal

Run = Callable[..., Outcome]

FAILS = """
import logging

async def app(scope, receive, send):
    assert scope["type"] == "http"
    logging.getLogger("shop").error("the order is broken")
    await send({"type": "http.response.start", "status": 500, "headers": []})
    await send({"type": "http.response.body", "body": b"no"})
"""


def test_top_follows_the_app_until_q_or_its_end(start: Start, run: Run, tmp_path: Path) -> None:
    with start(gateway_and_api(FAILS, metrics={"server": False})) as app:
        assert app.url
        with terminal(tmp_path, "top", "--interval", "0.2") as screen:
            screen.wait_for("No errors so far.")
            assert httpx.get(f"{app.url}/api/").status_code == 500
            screen.wait_for("api: the order is broken")
            screen.wait_for("100%")
            screen.type("ss")
            screen.wait_for("by errors")
            screen.type("q")
            assert screen.wait() == 0
        assert screen.text.endswith("\x1b[?1049l")
        once = run("top", "--interval", "0.1", "--sort", "id")
        assert (once.status, once.err) == (0, "")
        table = {row[0]: dict(zip(once.rows[0], row, strict=True)) for row in once.rows[1:3]}
        assert list(table) == ["api", "gateway *"]
        assert (table["api"]["REQ/S"], table["api"]["READY"]) == ("0", "1/1")
        assert table["api"]["MEMORY"].endswith("MB")
        assert once.out.splitlines()[-2] == "Last errors:"
        assert once.out.endswith(" api: the order is broken\n")
        with terminal(tmp_path, "top", "--interval", "0.2") as screen:
            screen.wait_for("by app")
            assert app.stop() == 0
            assert screen.wait() == 1
        assert f"(pid {app.process.pid}) has ended" in screen.plain


def test_an_app_that_counts_nothing_and_keeps_no_log_is_told(start: Start, run: Run) -> None:
    with start(gateway_and_api(logger={"history": False})) as app:
        assert app.url
        done = run("top", "--interval", "0.1")
        assert (done.status, done.err) == (0, "")
        assert "No errors can be shown: the app keeps no log." in done.out
        assert 'set "metrics": true in watt.json' in done.out
        assert done.rows[1][3] == "-"
