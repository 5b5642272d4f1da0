"""`pywatt create` in an existing app: it adds services and keeps all other files."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.app import PYWATT, write_files

Run = Callable[..., Any]
Check = Callable[[str], int]
WRITTEN_BY_HAND = """{
    "$schema": "https://schemas.platformatic.dev/@platformatic/runtime/3.0.0.json",
    "logger": {"level": "info"},
    "entrypoint": "front",
    "server": {"port": "{PORT}"},
    "services": [
        {
            "id": "front",
            "path": "parts/front"
        },
        {
            "id": "old",
            "path": "parts/old",
            "workers": 2
        }
    ],
    "startTimeout": 20000
}
"""
GATEWAY = """{
    "type": "gateway",
    "gateway": {"applications": [{"id": "old", "proxy": {"prefix": "/old"}}]}
}
"""
OLD = "async def app(scope, receive, send): ...\n"


def test_a_service_is_wired_and_nothing_else_changes(create: Run, run: Run, tmp_path: Path) -> None:
    write_files(
        tmp_path, {"watt.json": WRITTEN_BY_HAND, "parts/front/platformatic.json": GATEWAY, "parts/old/app.py": OLD}
    )
    done = create("--service", "new=python:asgi", PORT="0")
    text = (tmp_path / "watt.json").read_text()
    last = '            "workers": 2\n        }'
    new = '        {\n            "id": "new",\n            "path": "parts/new"\n        }'
    assert text == WRITTEN_BY_HAND.replace(last, f"{last},\n{new}")
    assert (tmp_path / "parts/front/platformatic.json").read_text() == GATEWAY.replace(
        '"/old"}}]', '"/old"}}, {"id": "new", "proxy": {"prefix": "/new"}}]'
    )
    assert (tmp_path / "parts/old/app.py").read_text() == OLD
    assert not (tmp_path / "README.md").exists()
    assert "changed  watt.json" in done.stdout
    assert run(PYWATT, "validate", PORT="0").returncode == 0


def test_growing_step_by_step(create: Run, check: Check) -> None:
    create("app", "--service", "api=python:asgi")
    create("--service", "jobs=worker", folder="app")
    done = create("--service", "front=gateway", folder="app/web/api")
    assert '"api" still has the public address' in done.stdout
    assert check("app") == 4


def test_the_same_id_again_is_refused_and_nothing_is_written(create: Run, run: Run, tmp_path: Path) -> None:
    create("app", "--service", "api=python:asgi")
    before = contents(tmp_path)
    done = run(PYWATT, "create", "--yes", "--service", "job=worker", "--service", "api=python", folder="app")
    assert done.returncode == 2
    assert 'there is a service "api" already' in done.stderr
    assert contents(tmp_path) == before


def test_without_a_wish_it_is_told_what_to_say(create: Run, run: Run) -> None:
    create("app", "--service", "api=python:asgi")
    done = run(PYWATT, "create", "--yes", folder="app")
    assert done.returncode == 2
    assert "is an app already, with the services api" in done.stderr
    assert "--service ID=KIND[:TEMPLATE]" in done.stderr


@pytest.mark.parametrize("force", [False, True])
def test_files_that_are_there_are_kept_unless_forced(create: Run, tmp_path: Path, force: bool) -> None:
    mine = {"README.md": "mine\n", "web/api/app.py": "mine = 1\n", ".gitignore": "build/", ".env": "PORT=0\n"}
    write_files(tmp_path, mine)
    done = create("--service", "api=python:asgi", *(["--force"] if force else []))
    for name in ("README.md", "web/api/app.py"):
        assert ((tmp_path / name).read_text() == mine[name]) is not force
        assert f"{'changed ' if force else 'kept    '} {name}" in done.stdout
    assert (tmp_path / ".gitignore").read_text().startswith("build/\n.env\n")
    assert (tmp_path / ".env").read_text().startswith("PORT=0\n# Where the app listens.\nPLT_SERVER_HOSTNAME=")
    again = contents(tmp_path)
    assert again[".env"].count(b"PORT=") == 1


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("watt.yaml", "# by hand\nweb:\n  - id: old # the old one\n    path: old\n"),
        ("watt.toml", '[[web]]\nid = "old"\npath = "old"\n'),
        ("watt.json5", "{ web: [ { id: 'old', path: 'old' }, ], }\n"),
    ],
)
def test_what_is_not_json_is_left_to_the_user(create: Run, run: Run, tmp_path: Path, name: str, text: str) -> None:
    write_files(tmp_path, {name: text, "old/app.py": OLD})
    done = create("--service", "new=python:asgi")
    assert (tmp_path / name).read_text() == text
    assert (tmp_path / "new" / "app.py").is_file() or (tmp_path / "web" / "new" / "app.py").is_file()
    assert f"add this to the list `web` in {tmp_path / name}:" in done.stdout
    assert f'set "entrypoint" to "old" in {tmp_path / name}' in done.stdout


def test_a_folder_of_services_needs_no_list(create: Run, run: Run, tmp_path: Path) -> None:
    root = '{"entrypoint": "old", "autoload": {"path": "all"}}\n'
    write_files(tmp_path, {"watt.json": root, "all/old/app.py": OLD})
    create("--service", "new=python:asgi")
    assert (tmp_path / "watt.json").read_text() == root
    assert "new: python" in run(PYWATT, "validate").stdout


def test_the_only_service_stays_the_entrypoint(create: Run, run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"watt.json": {"web": [{"id": "old", "path": "web/old"}]}, "web/old/app.py": OLD})
    create("--service", "new=python:asgi")
    assert json.loads((tmp_path / "watt.json").read_text())["entrypoint"] == "old"
    assert "old: python (entrypoint)" in run(PYWATT, "validate").stdout


def test_an_app_with_problems_is_not_touched(run: Run, tmp_path: Path) -> None:
    write_files(tmp_path, {"watt.json": {"web": [{"id": "old", "path": "nowhere"}]}})
    before = contents(tmp_path)
    done = run(PYWATT, "create", "--yes", "--service", "new=python:asgi")
    assert done.returncode == 2
    assert "there is no folder" in done.stderr
    assert contents(tmp_path) == before


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
