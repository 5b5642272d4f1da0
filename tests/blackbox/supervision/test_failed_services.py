"""Callers of a failed service, or of one in a crash loop, get the reason at once."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import httpx
from harness.app import Start

SOON = 10.0
"""Seconds: less than any limit on waiting for a worker that was meant for healthy services, 30 s."""
Files = dict[str, str | dict[str, Any]]

HELLO = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": b"hello"})
"""
BROKEN = "import nope\n" + HELLO
CALLER = """
import os
import requests
from starlette.applications import Starlette
from starlette.responses import JSONResponse
from starlette.routing import Route

def call(request):
    urls = {"name": "http://b.plt.local/", "variable": os.environ["PLT_B_URL"]}
    answer = requests.get(urls[request.url.path.strip("/").rpartition("/")[2]])
    return JSONResponse({"status": answer.status_code, "text": answer.text})

app = Starlette(routes=[Route("/{path:path}", call)])
"""
CRASHING = """
import os

async def app(scope, receive, send):
    assert scope["type"] == "http"
    os._exit(7)
"""


def three(b: str, **settings: Any) -> Files:
    """Return a gateway before a service that calls another one."""
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "services": [{"id": each, "path": each} for each in ("gateway", "a", "b")],
            "server": {"port": "{PORT}"},
        },
        "gateway/watt.json": {"type": "gateway"},
        "a/main.py": CALLER,
        "b/main.py": b,
        "b/watt.json": {"type": "python", **settings},
    }


def test_callers_of_a_service_that_cannot_be_imported_get_the_reason_until_it_can(start: Start, tmp_path: Path) -> None:
    with start(three(BROKEN), "dev") as app:
        app.wait_for_text("nothing serves until")
        for way in ("name", "variable"):
            answer = app.get(f"/a/{way}").json()
            assert answer["status"] == 503
            assert "failed to start" in answer["text"]
            assert "No module named 'nope'" in answer["text"]
        direct = app.get("/b/")
        assert (direct.status_code, "No module named 'nope'" in direct.text) == (503, True)
        (tmp_path / "b/main.py").write_text(HELLO)
        app.wait_for_text('new code of the service "b" serves')
        assert app.get("/a/name").json() == {"status": 200, "text": "hello"}
        assert app.get("/b/").text == "hello"
        assert app.stop() == 0


def test_the_public_address_of_an_app_that_cannot_be_imported_answers(start: Start, tmp_path: Path) -> None:
    files: Files = {"watt.json": {"services": [{"id": "api", "path": "api"}]}, "api/main.py": BROKEN}
    with start(files, "dev") as app:
        app.wait_for_text("nothing serves until")
        answer = app.post("/", content=b"x" * 1_000_000)
        assert (answer.status_code, answer.headers["retry-after"]) == (503, "1")
        assert "No module named 'nope'" in answer.json()["message"]
        (tmp_path / "api/main.py").write_text(HELLO)
        app.wait_for_text('new code of the service "api" serves')
        assert app.get("/").text == "hello"
        assert app.stop() == 0


def test_callers_of_a_service_in_a_crash_loop_get_the_reason_at_once(start: Start) -> None:
    files = three(CRASHING, restart={"intensity": 0})
    files["watt.json"]["restartOnError"] = 600_000  # type: ignore[index]
    with start(files, "dev") as app:
        assert app.get("/b/").status_code == 502
        app.wait_for_text("(crash loop)")
        for path in ("/b/", "/a/name", "/a/variable"):
            answer = httpx.get(app.url + path, timeout=SOON)
            assert "exit status 7" in answer.text
            assert answer.status_code == 503 or answer.json()["status"] == 503
        assert app.stop() == 0


def test_callers_wait_a_short_time_for_a_failed_service_that_is_being_started(start: Start) -> None:
    """The service starts forever after its crash."""
    b = "import os, pathlib, signal\nif pathlib.Path('crashed').exists():\n    signal.pause()\n" + CRASHING.replace(
        "os._exit", "open('crashed', 'w'); os._exit"
    )
    with start(three(b, restart={"intensity": 0})) as app:
        assert app.get("/b/").status_code == 502
        app.wait_for_text("(crash loop)")
        answer = httpx.get(app.url + "/b/", timeout=SOON)
        assert (answer.status_code, "within 5 s" in answer.text) == (503, True)
        assert httpx.get(app.url + "/a/name", timeout=SOON).json()["status"] == 503
        app.stop()


def test_callers_get_the_reason_of_the_last_start_that_failed(start: Start, tmp_path: Path) -> None:
    files = three(BROKEN, beforeStart=["python check.py"])
    with start({**files, "b/check.py": "raise SystemExit('no table')"}, "dev") as app:
        name = 'service "b" failed to start: beforeStart: python check.py: exit status 1'
        app.wait_for_text(f"{name}; nothing serves until")
        for reason, file, code in (
            ("no table", "b/check.py", "raise SystemExit('no column')"),
            ("no column", "b/check.py", ""),
            ("No module named 'nope'", "b/main.py", BROKEN.replace("nope", "nada")),
            ("No module named 'nada'", "b/main.py", HELLO),
        ):
            answers = [httpx.get(app.url + path, timeout=SOON) for path in ("/b/", "/a/name", "/a/variable")]
            assert all(reason in answer.text for answer in answers)
            assert answers[0].status_code == 503
            seen = len(app.lines)
            (tmp_path / file).write_text(code)
            app.wait_for_text('service "b"', after=seen)
        assert app.get("/b/").text == "hello"
        assert app.stop() == 0
