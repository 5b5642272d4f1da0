"""`pywatt dev`: each save deploys new code, and no save fails a request."""

from __future__ import annotations

import sys
import threading
from pathlib import Path
from typing import Self

import httpx
from harness.app import PATIENCE, RunningApp, Start
from harness.apps import gateway_and_api

API = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": VERSION})
"""


def api(version: str) -> str:
    return f'VERSION = b"{version}"\n{API}'


class Steady:
    """Sends requests repeatedly over a keep-alive connection and counts statuses other than 200."""

    def __init__(self, app: RunningApp) -> None:
        self.failures: list[str] = []
        self.answers = 0
        self._url = app.url + "/api/"
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()

    def _run(self) -> None:
        with httpx.Client(timeout=PATIENCE) as client:
            while not self._stop.is_set():
                try:
                    answer = client.get(self._url)
                except httpx.HTTPError as error:
                    self.failures.append(repr(error))
                else:
                    self.answers += 1
                    if answer.status_code != 200:
                        self.failures.append(f"{answer.status_code} {answer.text}")


def wait_for_version(app: RunningApp, version: str) -> None:
    """Wait until that code answers: after one of the lines that say that new code serves (a save may be seen twice)."""
    seen = 0
    while app.get("/api/").text != version:
        app.wait_for_text('new code of the service "api" serves', after=seen)
        seen = next(i for i, line in enumerate(app.lines) if i >= seen and "new code of" in line["msg"]) + 1


def save(folder: Path, text: str) -> None:
    (folder / "web/api/app.py").write_text(text)


def test_every_save_is_new_code_and_no_request_fails(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(api("v0")), "dev") as app:
        assert app.get("/api/").text == "v0"
        with Steady(app) as steady:
            for number in range(1, 6):
                save(tmp_path, api(f"v{number}"))
                wait_for_version(app, f"v{number}")
        assert steady.failures == []
        assert steady.answers > 0
        started = [line for line in app.lines if 'of the service "gateway"' in line["msg"]]
        assert len(started) == 1  # only the changed service was started anew
        assert app.stop() == 0


PROGRAM = """
import http.server, os

class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_GET(self):
        self.send_response(200)
        self.send_header("content-length", str(len(VERSION)))
        self.end_headers()
        self.wfile.write(VERSION)

http.server.ThreadingHTTPServer((os.environ["HOST"], int(os.environ["PORT"])), Handler).serve_forever()
"""


def test_a_program_in_any_language_is_swapped_too(start: Start, tmp_path: Path) -> None:
    files = gateway_and_api("")
    del files["web/api/app.py"]
    files["web/api/platformatic.json"] = {"command": [sys.executable, "program.py"]}
    files["web/api/program.py"] = f"VERSION = b'v0'\n{PROGRAM}"
    with start(files, "dev") as app:
        assert app.get("/api/").text == "v0"
        with Steady(app) as steady:
            for number in (1, 2):
                (tmp_path / "web/api/program.py").write_text(f"VERSION = b'v{number}'\n{PROGRAM}")
                wait_for_version(app, f"v{number}")
        assert steady.failures == []
        assert steady.answers > 0


def test_a_broken_save_keeps_the_old_code_and_shows_the_traceback(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(api("old")), "dev") as app:
        assert app.get("/api/").text == "old"
        with Steady(app) as steady:
            save(tmp_path, "import nothing_like_this\n" + api("new"))
            app.wait_for_text("the old code goes on serving")
            assert any("nothing_like_this" in str(line.get("err")) for line in app.lines)
            assert app.get("/api/").text == "old"
            save(tmp_path, api("mended"))
            wait_for_version(app, "mended")
        assert steady.failures == []


def test_code_that_is_broken_from_the_start_waits_for_a_better_save(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api("import nothing_like_this\n" + api("x")), "dev") as app:
        app.wait_for_text("nothing serves until its code is changed")
        refused = app.get("/api/")
        assert refused.status_code == 503
        save(tmp_path, api("mended"))
        app.wait_for_text("serves after")
        assert app.get("/api/").text == "mended"


def test_a_service_that_is_added_to_the_config_is_started(start: Start, tmp_path: Path) -> None:
    files = gateway_and_api(api("v0"))
    with start(files, "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / "web/second").mkdir()
        (tmp_path / "web/second/app.py").write_text(api("second"))
        text = (tmp_path / "watt.json").read_text()
        (tmp_path / "watt.json").write_text(text.replace('"web": [', '"web": [{"id": "second", "path": "web/second"},'))
        app.wait_for_text("the configuration was read again")
        assert app.get("/second/").text == "second"
        seen = len(app.lines)
        (tmp_path / "watt.json").write_text(text)
        app.wait_for_text("the configuration was read again", after=seen)
        assert app.get("/second/").status_code == 404


def test_a_broken_config_is_told_and_changes_nothing(start: Start, tmp_path: Path) -> None:
    with start(gateway_and_api(api("v0")), "dev") as app:
        assert app.get("/api/").text == "v0"
        (tmp_path / "watt.json").write_text('{"web": [')
        told = app.wait_for_text("the new configuration is not used")
        assert "watt.json" in told["msg"]
        assert app.get("/api/").text == "v0"
