"""The response cache of a running app: two workers of the gateway, and `pywatt cache`."""

from __future__ import annotations

import json
import subprocess
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
from harness.app import PATIENCE, PYWATT, RunningApp, Start

SERVICE = """
import asyncio

calls = 0


async def app(scope, receive, send):
    global calls
    if scope["type"] != "http":
        return
    calls += 1
    path = scope["path"].removeprefix(scope["root_path"])
    headers = [(b"content-type", b"text/plain"), (b"cache-control", b"max-age=600"), (b"cache-tag", path[1:].encode())]
    if path == "/slow":
        await asyncio.sleep(0.3)
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    await send({"type": "http.response.body", "body": b"%d" % calls})
"""
FILES: dict[str, str | dict[str, Any]] = {
    "watt.json": {
        "entrypoint": "gw",
        "web": [{"id": "gw", "path": "web/gw", "workers": 2}, {"id": "api", "path": "web/api"}],
        "server": {"port": "{PORT}"},
    },
    "web/gw/watt.json": {"module": "gateway", "gateway": {"defaults": {"httpCache": True}}},
    "web/api/app.py": SERVICE,
}


def fetch(app: RunningApp, path: str) -> httpx.Response:
    """GET over a new connection, which any worker may take."""
    return app.get(path)


def cache(folder: Path, *words: str) -> dict[str, Any]:
    command = [str(PYWATT), "cache", str(folder), "--json", *words]
    done = subprocess.run(command, check=True, capture_output=True, timeout=PATIENCE)
    rows: list[dict[str, Any]] = json.loads(done.stdout)
    return rows[0]


def test_workers_share_responses_and_one_request_fetches_for_all(start: Start, tmp_path: Path) -> None:
    with start(FILES, "start") as app:
        with ThreadPoolExecutor(12) as threads:
            answers = [*threads.map(lambda _: fetch(app, "/api/slow"), range(12))]
        assert {answer.text for answer in answers} == {"1"}
        assert sorted(answer.headers["x-cache"] for answer in answers) == [*["HIT"] * 11, "MISS"]
        assert app.post("/api/slow").text == "2"
        assert {fetch(app, "/api/slow").text for _ in range(6)} == {"3"}


def test_responses_are_removed_from_all_workers(start: Start, tmp_path: Path) -> None:
    with start(FILES, "start") as app:
        for path in ("/api/a", "/api/b", "/api/c"):
            assert {fetch(app, path).text for _ in range(6)} == {fetch(app, path).text}
        assert cache(tmp_path)["responses"] == 3
        assert cache(tmp_path, "--purge-tag", "a", "--purge", "/api/b")["removed"] == 2
        shown = {path: fetch(app, path).headers["x-cache"] for path in ("/api/a", "/api/b", "/api/c")}
        assert shown == {"/api/a": "MISS", "/api/b": "MISS", "/api/c": "HIT"}
        assert cache(tmp_path, "--purge-all") == {"gateway": "gw", "responses": 0, "bytes": 0, "removed": 3}


def test_an_app_without_a_cache(start: Start, tmp_path: Path) -> None:
    files = {**FILES, "web/gw/watt.json": {"module": "gateway"}}
    with start(files, "start") as app:
        assert "x-cache" not in app.get("/api/a").headers
        command = [str(PYWATT), "cache", str(tmp_path)]
        failed = subprocess.run(command, check=False, capture_output=True, timeout=PATIENCE, text=True)
        assert failed.returncode != 0
        assert 'add "httpCache": true' in failed.stderr
