"""Services that call each other during startup get an error that names the cycle."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from harness.app import Start

Files = dict[str, str | dict[str, Any]]

APP = """
import contextlib
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool

@contextlib.asynccontextmanager
async def lifespan(app):
    {call}
    yield

app = Starlette(lifespan=lifespan)
"""
REQUESTS = "import requests; await run_in_threadpool(requests.get, 'http://{id}.plt.local/')"
HTTPX = "import httpx; await httpx.AsyncClient().get('http://{id}.plt.local/')"
IMPORTED = "import requests\nrequests.get('http://{id}.plt.local/')\n"
PROGRAM = "import os, urllib.request\nurllib.request.urlopen(os.environ['PLT_{id}_URL'])\n"


def calling(service_id: str, how: str = REQUESTS) -> Files:
    return {"main.py": APP.format(call=how.format(id=service_id))}


def app_of(services: dict[str, Files], **entries: Any) -> Files:
    """Return an app of these services; `entries`: further keys of a service in the list."""
    files: Files = {
        "watt.json": {"services": [{"id": name, "path": name, **entries.get(name, {})} for name in services]}
    }
    return files | {f"{name}/{file}": text for name, own in services.items() for file, text in own.items()}


PLAIN: Files = {"main.py": APP.format(call="pass")}
COMMAND: Files = {
    "watt.json": {"type": "command", "command": [sys.executable, "program.py"]},
    "program.py": PROGRAM.format(id="A"),
}


@pytest.mark.parametrize(
    ("files", "words"),
    [
        (app_of({"a": calling("b"), "b": calling("a")}), ['"a" waits for "b", "b" waits for "a"']),
        (app_of({"a": calling("b", HTTPX), "b": calling("a", HTTPX)}), ['"a" waits for "b", "b" waits for "a"']),
        (app_of({"a": calling("b"), "b": calling("c"), "c": calling("a")}), ['"c" waits for "a"']),
        (app_of({"a": calling("a"), "b": PLAIN}), ['the service "a" calls itself while it starts']),
        (app_of({"a": PLAIN, "b": calling("a")}, a={"dependencies": ["b"]}), ['"a" waits for "b", "b" waits for "a"']),
        (app_of({"a": calling("b"), "b": COMMAND}), ['"a" waits for "b", "b" waits for "a"']),
        (
            app_of({"a": {"main.py": IMPORTED.format(id="b") + PLAIN["main.py"]}, "b": calling("a")}),  # type: ignore[operator]
            ['"a" waits for "b", "b" waits for "a"'],
        ),
    ],
    ids=["two", "with-limits", "three", "itself", "dependency", "program", "import"],
)
def test_a_circle_is_an_error_that_names_it(start: Start, files: Files, words: list[str]) -> None:
    # Far more than it takes to find out.
    files["watt.json"]["startTimeout"] = 600_000  # type: ignore[index]
    with start(files) as app:
        assert app.wait() == 1
        output = "\n".join(app.stderr)
        for word in words:
            assert word in output
        assert "fix: let one of them make its call later" in output
        assert "startTimeout" not in output


def test_a_circle_is_told_in_development_and_ends_with_better_code(start: Start) -> None:
    with start(app_of({"a": calling("b"), "b": calling("a")}), "dev") as app:
        app.wait_for_text("services wait for each other while they start")
        app.wait_for_text("nothing serves until")
        assert app.stop() == 0


def test_a_chain_of_calls_is_no_circle(start: Start) -> None:
    slow: Files = {"main.py": APP.format(call="import anyio; await anyio.sleep(6)")}
    with start(app_of({"a": calling("b"), "b": calling("c"), "c": slow})) as app:
        app.wait_for_text("pywatt has started")
        assert not any("wait for each other" in str(line["msg"]) for line in app.lines)
        assert app.stop() == 0
