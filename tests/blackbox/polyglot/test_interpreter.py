"""A python service in its own virtual environment."""

from __future__ import annotations

import site
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start
from harness.apps import ASGI_API

WORKER = """
import asyncio, sys

async def main():
    print("works in", sys.prefix)
    await asyncio.Event().wait()
"""
WHERE = """
import json, os, sys

async def app(scope, receive, send):
    assert scope["type"] == "http"
    import httpx
    async with httpx.AsyncClient() as client:
        answer = (await client.get("http://api.plt.local/x")).json()["path"]
    body = {"prefix": sys.prefix, "venv": os.environ["VIRTUAL_ENV"], "path": os.environ["PATH"], "api": answer}
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(body).encode()})
"""


def files(app: str, entrypoint: str = "other") -> dict[str, str | dict[str, Any]]:
    return {
        "watt.json": {
            "entrypoint": entrypoint,
            "web": [{"id": "other", "path": "web/other"}, {"id": "api", "path": "web/api"}],
            "server": {"port": "{PORT}"},
        },
        "web/other/app.py": app,
        "web/other/platformatic.json": {"python": {"interpreter": ".venv/bin/python"}},
        "web/api/app.py": ASGI_API,
    }


@pytest.fixture
def venv(tmp_path: Path) -> Path:
    """A bare virtual environment in the service's folder."""
    folder = tmp_path / "web" / "other" / ".venv"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    return folder


@pytest.fixture
def furnished(venv: Path) -> Path:
    """Creates an environment with the packages of a worker, but without pywatt."""
    (packages,) = venv.glob("lib/python3.*/site-packages")
    # As a path that is only searched: the .pth files there, with which pywatt is installed, do not count.
    (packages / "borrowed.pth").write_text("\n".join(site.getsitepackages()))
    return venv


def test_the_service_runs_there_and_is_one_of_the_app(start: Start, furnished: Path) -> None:
    with start(files(WHERE)) as app:
        answer = app.get("/").json()
        assert answer["prefix"] == answer["venv"] == str(furnished)
        assert answer["path"].startswith(f"{furnished}/bin:")
        assert answer["api"] == "/x"
        assert app.stop() == 0


def test_the_virtual_environment_of_its_folder_is_used_unasked(start: Start, furnished: Path) -> None:
    unasked = {name: content for name, content in files(WHERE).items() if not name.endswith("platformatic.json")}
    with start(unasked) as app:
        assert app.get("/").json()["prefix"] == str(furnished)
        assert app.stop() == 0


def test_without_http_too(start: Start, furnished: Path) -> None:
    with start(files(WORKER, entrypoint="api")) as app:
        app.wait_for_text(f"works in {furnished}")
        assert app.get("/x").json()["path"] == "/x"
        assert app.stop() == 0


def test_what_is_missing_there_is_told(start: Start, venv: Path) -> None:
    with start(files(WHERE)) as app:
        assert app.wait() == 1
    report = "\n".join(app.stderr)
    assert "lacks anyio, httptools, uvicorn, uvloop, websockets;" in report
    assert f"uv pip install --python {venv}/bin/python pywatt" in report


def test_an_interpreter_that_is_not_there_is_told_before_anything_starts(start: Start) -> None:
    with start(files(WHERE)) as app:
        assert app.wait() == 2
    assert "python.interpreter: there is no interpreter" in "\n".join(app.stderr)


def test_an_interpreter_that_cannot_be_run_is_told(start: Start, tmp_path: Path) -> None:
    program = tmp_path / "web" / "other" / ".venv" / "bin" / "python"
    program.parent.mkdir(parents=True)
    program.write_bytes(b"\x00")
    program.chmod(0o755)
    with start(files(WHERE)) as app:
        assert app.wait() == 1
    assert f"cannot run the interpreter {program}: Exec format error" in "\n".join(app.stderr)


def test_an_error_of_the_users_code_is_shown_as_ever(start: Start, furnished: Path) -> None:
    with start(files("import nothing_of_that_name\napp = None\n")) as app:
        assert app.wait() == 1
    assert "No module named 'nothing_of_that_name'" in "\n".join(app.stderr)
