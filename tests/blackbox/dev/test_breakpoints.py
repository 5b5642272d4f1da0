"""`breakpoint()` under `pywatt dev`: the debugger gets the terminal, and supervision of the worker is suspended."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start, write_files
from harness.processes import MARKER, marked, wait_for_end
from harness.terminal import Outcome, Terminal, command, terminal

Files = dict[str, str | dict[str, Any]]

ASGI = """
async def app(scope, receive, send):
    assert scope["type"] == "http"
    word = "old"
    {stop}
    await send({{"type": "http.response.start", "status": 200, "headers": []}})
    await send({{"type": "http.response.body", "body": word.encode()}})
"""
FLASK = """
from flask import Flask

app = Flask(__name__)

@app.get("/")
def index():
    word = "old"
    {stop}
    return word
"""
HANGS = """
import time

async def app(scope, receive, send):
    assert scope["type"] == "http"
    time.sleep(600)
"""


def files(**sources: str) -> Files:
    web = [{"id": name, "path": name} for name in sources]
    root = {"entrypoint": next(iter(sources)), "web": web, "watchdog": {"timeout": 2000}}
    return {"watt.json": root, **{f"{name}/app.py": source for name, source in sources.items()}}


@contextmanager
def dev(folder: Path, marker: str, made: Files, wait: str = "q quit") -> Iterator[Terminal]:
    write_files(folder, made)
    with terminal(folder, "dev", env={"PORT": "0", MARKER: marker}) as screen:
        screen.wait_for(wait)
        yield screen
        screen.type("\x03")
        assert screen.wait() == 0
    assert wait_for_end(marked(marker)) == []


class Call(threading.Thread):
    """A request to a service in flight."""

    def __init__(self, folder: Path, service: str) -> None:
        super().__init__(daemon=True)
        self._folder, self._service = folder, service
        self.outcome: Outcome | None = None
        self.start()

    def run(self) -> None:
        self.outcome = command(self._folder, "inject", self._service)

    @property
    def answer(self) -> str:
        self.join(60)
        assert self.outcome is not None
        return self.outcome.out


def at_prompt(screen: Terminal, service: str, *, after: int = 0) -> int:
    screen.wait_for(f"{service} stops at ", after=after)
    screen.wait_for("(Pdb) ", after=after)
    return len(screen.plain)


@pytest.mark.parametrize("source", [ASGI, FLASK], ids=["asgi", "wsgi"])
@pytest.mark.parametrize("stop", ["breakpoint()", "import pdb; pdb.set_trace()"])
def test_a_request_is_looked_at_and_goes_on(tmp_path: Path, marker: str, source: str, stop: str) -> None:
    with dev(tmp_path, marker, files(api=source.format(stop=stop))) as screen:
        call = Call(tmp_path, "api")
        seen = at_prompt(screen, "api")
        screen.type("p word\n")
        screen.wait_for("'old'", after=seen)
        screen.type("!word = 'new'\n")
        screen.type("next\n")
        screen.wait_for("-> ", after=seen)
        seen = len(screen.plain)
        screen.type("continue\n")
        assert call.answer == "new"
        screen.wait_for("r restart all · q quit", after=seen)
        screen.type("1")
        screen.wait_for('new code of the service "api" serves', after=seen)


def test_two_services_have_it_one_after_the_other(tmp_path: Path, marker: str) -> None:
    source = ASGI.format(stop="breakpoint()")
    with dev(tmp_path, marker, files(api=source, jobs=source)) as screen:
        first = Call(tmp_path, "api")
        seen = at_prompt(screen, "api")
        second = Call(tmp_path, "jobs")
        screen.type("!word = 'first'\nc\n")
        assert first.answer == "first"
        at_prompt(screen, "jobs", after=seen)
        screen.type("!word = 'second'\nc\n")
        assert second.answer == "second"


def test_neither_watchdog_nor_probes_end_a_worker_that_is_looked_at(tmp_path: Path, marker: str) -> None:
    made = files(api=ASGI.format(stop="if scope['path'] == '/': breakpoint()"), hangs=HANGS)
    made["api/platformatic.json"] = {
        "probes": {"liveness": {"http": "/live", "interval": 200, "timeout": 200, "failureThreshold": 1}}
    }
    with dev(tmp_path, marker, made) as screen:
        call = Call(tmp_path, "api")
        seen = at_prompt(screen, "api")
        Call(tmp_path, "hangs")
        screen.wait_for("gave no sign of life", after=seen)
        screen.type("!word = 'alive'\nc\n")
        assert call.answer == "alive"
        assert 'service "api"' not in screen.plain[seen:].replace('started worker 0 of the service "api"', "")


def test_the_time_of_a_start_does_not_run(tmp_path: Path, marker: str) -> None:
    plain = ASGI.format(stop="")
    made = files(api=f"breakpoint()\n{plain}", slow=f"import time\ntime.sleep(600)\n{plain}")
    root = made["watt.json"]
    assert isinstance(root, dict)
    made["watt.json"] = {**root, "startTimeout": 3000}
    with dev(tmp_path, marker, made, wait="(Pdb) ") as screen:
        screen.wait_for("did not get ready within 3 s")
        assert 'service "api" did not' not in screen.plain
        screen.type("c\n")
        screen.wait_for("1 api ●")


def test_a_save_ends_the_debugger_and_brings_the_new_code(tmp_path: Path, marker: str) -> None:
    with dev(tmp_path, marker, files(api=ASGI.format(stop="breakpoint()"))) as screen:
        Call(tmp_path, "api")
        seen = at_prompt(screen, "api")
        (tmp_path / "api/app.py").write_text(ASGI.format(stop="word = 'saved'"))
        screen.wait_for('new code of the service "api" serves', after=seen)
        screen.wait_for("q quit", after=seen)
        assert command(tmp_path, "inject", "api").out == "saved"


def test_ctrl_c_at_the_prompt_stops_the_app(tmp_path: Path, marker: str) -> None:
    with dev(tmp_path, marker, files(api=ASGI.format(stop="breakpoint()"))) as screen:
        Call(tmp_path, "api")
        at_prompt(screen, "api")


@pytest.mark.parametrize("stop", ["breakpoint()", "import pdb; pdb.set_trace()"])
@pytest.mark.parametrize("mode", ["start", "dev"])
def test_without_a_terminal_it_is_passed_over_and_told(start: Start, mode: str, stop: str) -> None:
    with start(files(api=ASGI.format(stop=stop)), mode) as app:
        assert app.get("/").text == "old"
        told = app.wait_for_text("is passed over")
        assert "/api/app.py:5" in told["msg"]
        assert "pywatt dev --debug" in told["msg"]
        assert app.stop() == 0


def test_pythonbreakpoint_decides(start: Start) -> None:
    made = files(api=ASGI.format(stop="breakpoint()"))
    made["api/.env"] = "PYTHONBREAKPOINT=0\n"
    with start(made, "dev") as app:
        assert app.get("/").text == "old"
        assert app.stop() == 0
        assert "passed over" not in app.output
