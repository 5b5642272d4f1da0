"""The address of the dashboard: who is told of it, and what it gives to those without the token."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.app import PYWATT, Start, clean_environment
from harness.browser import dashboard_url

pytestmark = pytest.mark.blackbox

APP = "async def app(scope, receive, send):\n    raise NotImplementedError\n"
FILES: Mapping[str, Any] = {
    "watt.json": {"server": {"port": 0}, "web": [{"id": "api", "path": "api"}]},
    "api/app.py": APP,
}


def command(folder: Path, *words: str, env: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    environment = {**clean_environment(), **(env or {})}
    return subprocess.run([PYWATT, *words], cwd=folder, env=environment, capture_output=True, text=True, check=False)


def test_development_tells_its_url_and_gives_nothing_without_the_token(start: Start, tmp_path: Path) -> None:
    with start(FILES, "dev") as app:
        url = dashboard_url(app)
        origin, _, token = url.partition("#token=")
        assert origin.startswith("http://127.0.0.1:")
        page = httpx.get(origin)
        assert page.status_code == 200
        assert tmp_path.name not in page.text
        for path in ("dashboard", "services", "config", "services/api/env", "services/events"):
            assert httpx.get(f"{origin}api/v1/{path}").status_code == 401
        assert httpx.post(f"{origin}api/v1/stop").status_code == 401
        bearer = {"Authorization": f"Bearer {token}"}
        assert httpx.get(f"{origin}api/v1/dashboard", headers=bearer).json()["readOnly"] is False
        # The way to the token is the unix socket, not the API that the token opens.
        assert httpx.post(f"{origin}api/v1/dashboard", headers=bearer).status_code == 405
        assert json.loads(command(tmp_path, "dashboard", "--json").stdout)["url"] == url
        assert app.stop() == 0


def test_production_serves_it_when_asked(start: Start, tmp_path: Path) -> None:
    with start(FILES) as app:
        assert app.url
        opened = command(tmp_path, "dashboard", "--no-open")
        assert opened.returncode == 0, opened.stderr
        origin, _, token = opened.stdout.strip().partition("#token=")
        found = httpx.get(f"{origin}api/v1/dashboard", headers={"Authorization": f"Bearer {token}"}).json()
        assert found["production"] is True
        assert command(tmp_path, "dashboard", "--no-open").stdout == opened.stdout
        assert app.stop() == 0
        assert token not in app.output


def test_the_browser_gets_the_token_by_a_file_of_this_user(start: Start, tmp_path: Path) -> None:
    seen = tmp_path / "seen"
    browser = tmp_path / "browser"
    browser.write_text(f'#!/bin/sh\nprintf %s "$1" > {seen}\n')
    browser.chmod(0o755)
    with start(FILES) as app:
        assert app.url
        url = command(tmp_path, "dashboard", env={"BROWSER": f"{browser} %s"}).stdout.strip()
        page = Path(seen.read_text().removeprefix("file://"))
        assert url not in seen.read_text()
        assert url in page.read_text()
        assert page.stat().st_mode & 0o077 == 0
        assert page.parent.stat().st_mode & 0o077 == 0
        assert app.stop() == 0


@pytest.mark.parametrize("mode", ["start", "dev"])
def test_it_can_be_switched_off(start: Start, tmp_path: Path, mode: str) -> None:
    files = {**FILES, "watt.json": {**FILES["watt.json"], "dashboard": False}}
    with start(files, mode) as app:
        assert app.url
        refused = command(tmp_path, "dashboard", "--no-open")
        assert refused.returncode == 1
        assert "the dashboard of this app is off" in refused.stderr
        assert '"dashboard": false' in refused.stderr
        assert app.stop() == 0
        assert "the dashboard is at" not in app.output


def test_its_address_and_token_are_those_of_the_file(start: Start) -> None:
    block = {"hostname": "127.0.0.1", "port": 0, "token": "the-token-of-this-test", "readOnly": True}
    files = {**FILES, "watt.json": {**FILES["watt.json"], "dashboard": block}}
    with start(files) as app:
        said = app.wait_for_text("the dashboard is at ")["msg"]
        assert "the-token-of-this-test" not in app.output
        origin = said.partition("the dashboard is at ")[2].partition(";")[0]
        bearer = {"Authorization": "Bearer the-token-of-this-test"}
        assert httpx.get(f"{origin}api/v1/dashboard", headers=bearer).json()["readOnly"] is True
        assert httpx.post(f"{origin}api/v1/restart", headers=bearer).status_code == 403
        # It survives the worker that serves it.
        services = httpx.get(f"{origin}api/v1/services", headers=bearer).json()["services"]
        os.kill(next(row["workers"][0]["pid"] for row in services if row["id"] == "pywatt.control"), 9)
        app.wait_for_text('service "pywatt.control" ended')
        assert httpx.get(f"{origin}api/v1/dashboard", headers=bearer, timeout=30).status_code == 200
        assert app.stop() == 0
