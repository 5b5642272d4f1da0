"""`pywatt profile` of a real worker."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness.app import Start
from harness.apps import gateway_and_api
from harness.terminal import Outcome, terminal

Run = Callable[..., Outcome]

BUSY = """
import threading

def crunch():
    while True:
        sum(range(1000))

threading.Thread(target=crunch, daemon=True).start()

async def app(scope, receive, send):
    assert scope["type"] == "http"
"""


def test_the_busy_function_is_in_the_profile(start: Start, run: Run, tmp_path: Path) -> None:
    files = gateway_and_api(BUSY)
    files["web/api/platformatic.json"] = {"type": "python"}
    with start(files) as app:
        assert app.url
        done = run("profile", "api", "--seconds", "1", "-o", "api.txt")
        assert (done.status, done.err) == (0, "")
        assert done.out.startswith("Wrote api.txt: ")
        assert "crunch (" in (tmp_path / "api.txt").read_text()
        told = run("profile", "api", "--seconds", "1", "-o", "api.json", "--json").json
        assert (told["file"], told["service"], told["worker"]) == ("api.json", "api", 0)
        assert told["samples"] > 0
        frames = json.loads((tmp_path / "api.json").read_text())["shared"]["frames"]
        assert "crunch" in {frame["name"] for frame in frames}
        with terminal(tmp_path, "profile", "api", "--seconds", "1") as screen:
            screen.wait_for("Ctrl-C ends it earlier.")
            assert screen.wait() == 0
        assert "Wrote api-cpu.svg: " in screen.plain
        assert "crunch" in (tmp_path / "api-cpu.svg").read_text()
        wrong = run("profile", "api", "-o", "api.pdf")
        assert wrong.status == 1
        assert "fix: end it in .svg (flame graph)" in wrong.err
