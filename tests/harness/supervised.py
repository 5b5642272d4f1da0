"""A service that follows commands, for tests of its supervision."""

from __future__ import annotations

from typing import Any

TYPE = {"type": "python"}
APP = """
import asyncio, os, signal, sys, time

STATUS = {"live": 200, "ready": int(os.environ.get("READY", "200")), "started": 200}
HOG = []

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    _, what, *rest = scope["path"].removeprefix(scope["root_path"]).split("/")
    status = STATUS.get(what, 200)
    if what == "block":
        time.sleep(3600)
    elif what == "wait":
        await asyncio.sleep(float(rest[0]))
    elif what == "set":
        STATUS[rest[0]] = int(rest[1])
    elif what == "hog":
        HOG.append(os.urandom(1024) * int(rest[0]) * 1024)
    elif what == "exit":
        os._exit(int(rest[0]))
    body = str(os.getpid()).encode()
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


def app(
    *, own: dict[str, Any] | None = None, others: list[dict[str, Any]] | None = None, **keys: Any
) -> dict[str, Any]:
    """Return the files of an app whose only service with HTTP has these keys in the root file."""
    return {
        "watt.json": {"entrypoint": "api", "web": [{"id": "api", "path": "api", **keys}, *(others or [])]},
        "api/watt.json": {**TYPE, **(own or {})},
        "api/app.py": APP,
    }
