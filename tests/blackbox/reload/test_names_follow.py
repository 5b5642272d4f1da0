"""A service that calls no other through pywatt still resolves the names of added and removed services."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

from harness.app import RunningApp, Start
from harness.apps import ASGI_API, Files

RESOLVES = """
import socket

async def app(scope, receive, send):
    assert scope["type"] == "http"
    try:
        body = str(socket.getaddrinfo("more.plt.local", 80)[0][4][1])
    except socket.gaierror as error:
        body = str(error)
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body.encode()})
"""


def root(*services: str) -> dict[str, Any]:
    return {"entrypoint": "api", "web": [{"id": name, "path": f"web/{name}"} for name in ("api", *services)]}


def files() -> Files:
    return {"watt.json": root(), "web/api/app.py": RESOLVES, "web/more/app.py": ASGI_API}


def reload(app: RunningApp, folder: Path, *services: str) -> None:
    seen = len(app.lines)
    (folder / "watt.json").write_text(json.dumps(root(*services)))
    app.process.send_signal(signal.SIGHUP)
    app.wait_for_text("reloaded: ", after=seen)


def test_names_of_services_that_come_and_go_are_known(start: Start, tmp_path: Path) -> None:
    with start(files()) as app:
        assert "this app has no service 'more'; it has: api" in app.get("/").text
        for _ in range(2):
            reload(app, tmp_path, "more")
            assert app.get("/").text.isdigit()
            reload(app, tmp_path)
            assert "this app has no service 'more'; it has: api" in app.get("/").text
        assert app.stop() == 0
