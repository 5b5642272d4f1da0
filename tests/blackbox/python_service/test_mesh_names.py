"""`http://<id>.plt.local` in the child processes of a service, however they are started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start
from harness.apps import ASGI_API, Files

CALLS = """
import asyncio, multiprocessing, os, subprocess, sys
from concurrent.futures import ProcessPoolExecutor
from urllib.parse import parse_qs
from urllib.request import urlopen

def call(name):
    try:
        return urlopen(f"http://{name}.plt.local/", timeout=20).status
    except OSError as error:
        return str(error)

def in_uvloop(name):
    import uvloop

    async def status():
        reader, writer = await asyncio.open_connection(f"{name}.plt.local", 80)
        writer.write(b"GET / HTTP/1.1\\r\\nHost: x\\r\\nConnection: close\\r\\n\\r\\n")
        return int((await reader.read()).split()[1])

    return uvloop.run(status())

def pool(method, function=call):
    def start(name):
        with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context(method)) as executor:
            return executor.submit(function, name).result(30)
    return start

PROGRAM = "import sys\\nfrom urllib.request import urlopen\\nprint(urlopen(sys.argv[1], timeout=20).status)"

def program(name):
    command = [sys.executable, "-c", PROGRAM, f"http://{name}.plt.local/"]
    return int(subprocess.run(command, capture_output=True, check=True).stdout)

WAYS = {
    "fork": pool("fork"),
    "spawn": pool("spawn"),
    "forkserver": pool("forkserver"),
    "spawn with uvloop": pool("spawn", in_uvloop),
    "program": program,
    "a loop of its own": lambda name: in_uvloop(name),
}
"""
APP = """
import asyncio, json
from urllib.parse import parse_qs
import calls

long_lived = calls.ProcessPoolExecutor(1, mp_context=calls.multiprocessing.get_context("spawn"))

async def app(scope, receive, send):
    assert scope["type"] == "http"
    query = parse_qs(scope["query_string"].decode())
    name = query["name"][0]
    if query["way"][0] == "a long-lived pool":
        answer = await asyncio.wrap_future(long_lived.submit(calls.call, name))
    else:
        answer = await asyncio.to_thread(calls.WAYS[query["way"][0]], name)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(answer).encode()})
"""
ROOT: dict[str, Any] = {
    "entrypoint": "main",
    "web": [{"id": "main", "path": "main"}, {"id": "other-one", "path": "other"}],
}
FILES: Files = {"main/calls.py": CALLS, "main/app.py": APP, "other/app.py": ASGI_API}


def test_every_way_to_start_a_child(start: Start) -> None:
    with start({**FILES, "watt.json": ROOT}) as app:
        for way in ("fork", "spawn", "forkserver", "spawn with uvloop", "program", "a loop of its own"):
            answer = app.get("/", params={"way": way, "name": "other-one"})
            assert (way, answer.json()) == (way, 200)
        unknown = app.get("/", params={"way": "spawn", "name": "nobody"}).json()
        assert "this app has no service 'nobody'; it has: main, other-one" in unknown
        assert app.stop() == 0


def test_children_see_services_that_came_later(start: Start, tmp_path: Path) -> None:
    with start({**FILES, "watt.json": ROOT, "late/app.py": ASGI_API}) as app:
        way = {"way": "a long-lived pool"}
        assert app.get("/", params={**way, "name": "other-one"}).json() == 200
        assert "this app has no service 'late'" in app.get("/", params={**way, "name": "late"}).json()
        (tmp_path / "watt.json").write_text(json.dumps({**ROOT, "web": [*ROOT["web"], {"id": "late", "path": "late"}]}))
        app.process.send_signal(1)
        app.wait_for(lambda line: 'started worker 0 of the service "late"' in line["msg"])
        app.wait_for(lambda line: "read again" in line["msg"] or "reload" in line["msg"])
        assert app.get("/", params={**way, "name": "late"}).json() == 200
        assert app.stop() == 0


def test_a_python_program_as_a_command_service(start: Start) -> None:
    program = f"{CALLS}\nprint('it says', call('api'), flush=True)\nimport time\ntime.sleep(600)\n"
    command = {"run": [sys.executable, "program.py"], "http": False}
    files: Files = {
        "watt.json": {
            "entrypoint": "api",
            "web": [{"id": "api", "path": "api"}, {"id": "program", "path": "program", "dependencies": ["api"]}],
        },
        "api/app.py": ASGI_API,
        "program/program.py": program,
        "program/watt.json": {"type": "command", "command": command},
    }
    with start(files) as app:
        app.wait_for_text("it says 200")
        assert app.stop() == 0


@pytest.mark.parametrize("variable", ["", "/proc/0/fd/1"])
def test_an_interpreter_outside_of_an_app_starts_as_ever(variable: str) -> None:
    code = "import sys, socket\nprint(socket.getaddrinfo.__module__, 'pywatt' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], env={"PYWATT_MESH": variable}, capture_output=True, check=True
    )
    assert done.stdout.decode().split() == (
        ["pywatt.mesh.resolver_patches", "True"] if variable else ["socket", "False"]
    )
    assert done.stderr == b""
