"""The source of each value: the line of a file, a variable, the command line, or a default; secrets are hidden."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pywatt.config.origins import origins
from pywatt.config.overrides import Overrides
from pywatt.config.pipeline import load
from pywatt.config.services.type_detection import InstalledTypes

ENVIRON = {"SHOP_PORT": "0", "HOME": "/nowhere"}
ROOT = """{
  "server": {"port": "{SHOP_PORT}", "hostname": "{SHOP_HOST}"},
  "dashboard": {"token": "a-secret-token-here"},
  "restart": {"intensity": 7, "period": 1000},
  "maxMemory": "512MB",
  "web": [
    {"id": "api", "path": "api",
     "workers": 2}
  ]
}"""
SERVICE = """
python:
  threads: 3
restart:
  intensity: 9
"""


def write(folder: Path, files: Mapping[str, str]) -> None:
    for name, text in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(text)


def told(folder: Path, **options: Any) -> Any:
    config = load(folder, cwd=folder, environ=ENVIRON, **options)
    found = origins(config, ENVIRON, InstalledTypes())
    json.dumps(found)
    return found


def by_key(rows: list[dict[str, Any]]) -> dict[str, tuple[Any, str, str, int, list[str]]]:
    return {
        row["key"]: (row["value"], row["source"], Path(row["file"]).name, row["line"], row["variables"]) for row in rows
    }


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    app = "async def app(scope, receive, send): ..."
    env = "SHOP_HOST=127.0.0.1\n"
    write(tmp_path, {"watt.json": ROOT, "api/watt.yaml": SERVICE, "api/app.py": app, ".env": env})
    return tmp_path


def test_files_variables_and_defaults(shop: Path) -> None:
    app = by_key(told(shop)["app"])
    assert app["server.port"] == ("0", "file", "watt.json", 2, ["SHOP_PORT: environment"])
    assert app["server.hostname"] == ("127.0.0.1", "file", "watt.json", 2, ["SHOP_HOST: env file"])
    assert app["server.backlog"] == (2048, "default", "", 0, [])
    assert app["web[0].workers"] == (2, "file", "watt.json", 8, [])
    assert app["dashboard.token"][0] == "[hidden]"
    assert not any(key.startswith("runtime.") for key in app)


def test_a_service_has_the_values_of_its_entry_its_file_and_the_app(shop: Path) -> None:
    api = by_key(told(shop)["services"]["api"])
    assert api["workers"] == (2, "file", "watt.json", 8, [])
    assert api["python.threads"] == (3, "file", "watt.yaml", 3, [])
    assert api["restart.intensity"] == (9, "file", "watt.yaml", 5, [])
    assert api["restart.period"] == (1000, "file", "watt.json", 4, [])
    assert api["maxMemory"] == ("512MB", "file", "watt.json", 5, [])
    assert api["watchdog"][1] == "default"


def test_the_command_line_and_port_of_the_environment(shop: Path) -> None:
    app = by_key(told(shop, overrides=Overrides(port=0))["app"])
    assert app["server.port"] == (0, "--port", "", 0, [])


def test_a_file_that_has_become_malformed_is_a_problem_in_its_place(shop: Path) -> None:
    config = load(shop, cwd=shop, environ=ENVIRON)
    (shop / "api/watt.yaml").write_text("a: [")
    found = origins(config, ENVIRON, InstalledTypes())
    assert len(found["problems"]) == 1
    assert "api/watt.yaml" in found["problems"][0]
    assert by_key(found["services"]["api"])["workers"][0] == 2


def test_an_app_that_is_one_service(tmp_path: Path) -> None:
    document = '{"module": "python",\n "python": {"threads": 4},\n "server": {"port": 0}}'
    write(tmp_path, {"watt.json": document, "app.py": "async def app(scope, receive, send): ..."})
    found = told(tmp_path)
    assert by_key(found["app"])["server.port"] == (0, "file", "watt.json", 3, [])
    (rows,) = found["services"].values()
    assert by_key(rows)["python.threads"] == (4, "file", "watt.json", 2, [])
