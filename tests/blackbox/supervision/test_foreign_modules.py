"""Modules in the app's start folder or in its services are imported only by those services."""

from __future__ import annotations

from harness.app import Start
from harness.apps import gateway_and_api

FOREIGN = "raise RuntimeError('this is not the module that was meant')"
NAMES = (
    "pickle",
    "signal",
    "json",
    "socket",
    "struct",
    "importlib",
    "asyncio",
    "pywatt",
    "uvicorn",
    "uvloop",
    "httptools",
)
CODE = """
import os
import sys

import helper

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = f"{helper.NAME} {sys.path[0] == os.getcwd()} {'' in sys.path}".encode()
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})
"""


def test_what_lies_in_the_current_folder_is_imported_by_no_process_of_ours(start: Start) -> None:
    files = gateway_and_api(CODE)
    files.update({f"{name}.py": FOREIGN for name in NAMES})
    files["web/api/helper.py"] = "NAME = 'own'"
    with start(files) as app:
        assert app.get("/api/").text == "own True False"
        assert app.stop() == 0
        assert "not the module that was meant" not in app.output


def test_what_lies_beside_a_service_without_code_is_imported_by_nobody(start: Start) -> None:
    lag = {"brokers": ["127.0.0.1:1"], "groupId": "g", "topics": {"orders": 5}}
    files = gateway_and_api(CODE)
    root = files["watt.json"]
    assert isinstance(root, dict)
    root["web"] = [*root["web"], {"id": "health", "path": "web/health"}]
    files["web/health/watt.json"] = {"type": "health", "health": lag}
    files["web/api/helper.py"] = "NAME = 'own'"
    # Its client of Kafka is imported when it serves already.
    files.update({f"web/health/{name}.py": FOREIGN for name in ("aiokafka", "gzip", "bz2", "lzma", "async_timeout")})
    with start(files) as app:
        assert set(app.get("/health/").json()["services"]) >= {"api", "health"}
        assert app.stop() == 0
        assert "not the module that was meant" not in app.output
