"""Every mistake is reported on one screen with file, key and fix, and no process is left running."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest
from harness.app import Start
from harness.apps import GATEWAY, Files, gateway_and_api

ONE_SCREEN = 60
"""Lines, with the traceback of a failing app."""


def app_with(**root: Any) -> Files:
    return gateway_and_api(**root)


def services(*extra: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"id": "gateway", "path": "web/gateway"}, {"id": "api", "path": "web/api"}, *extra]


RAISES = "import nothing_like_this\n"
NEVER_READY = """
import asyncio

async def app(scope, receive, send):
    await asyncio.sleep(3600)
"""

CASES: dict[str, tuple[Files, list[str]]] = {
    "unknown key": (app_with(entrypont="gateway"), ["watt.json", "entrypont", "entrypoint"]),
    "unknown service key": (
        app_with(web=services({"id": "x", "path": "web/api", "worker": 2})),
        ["watt.json", "web[2].worker", "workers"],
    ),
    "missing variables": (
        app_with(server={"hostname": "{NO_HOST}", "port": "{NO_PORT}"}, basePath="{NO_BASE}"),
        ["watt.json", "NO_HOST", "NO_PORT", "NO_BASE", "server.hostname"],
    ),
    "wrong type": (app_with(startTimeout="soon"), ["watt.json", "startTimeout", "soon", "number"]),
    "missing folder": (
        app_with(web=services({"id": "billing", "path": "web/billing"})),
        ["watt.json", "web[2].path", "web/billing"],
    ),
    "duplicate id": (app_with(web=services({"id": "api", "path": "web/gateway"})), ["watt.json", "web[2].id", "api"]),
    "unknown entrypoint": (app_with(entrypoint="gatway"), ["watt.json", "entrypoint", "gatway", "gateway"]),
    "unknown service type": (
        {**app_with(), "web/api/platformatic.json": {"type": "pyhton"}},
        ["web/api/platformatic.json", "pyhton", "python"],
    ),
    "dependency cycle": (
        app_with(
            web=[
                {"id": "gateway", "path": "web/gateway"},
                {"id": "api", "path": "web/api", "dependencies": ["b"]},
                {"id": "b", "path": "web/api", "dependencies": ["api"]},
            ]
        ),
        ["watt.json", "dependencies", "api -> b -> api"],
    ),
    "no JSON": (
        {**app_with(), "web/gateway/platformatic.json": '{"a": }'},
        ["web/gateway/platformatic.json:1", "not valid JSON", "column 7"],
    ),
    "raises on import": (gateway_and_api(RAISES + "app = None\n"), ["api", "Traceback", "nothing_like_this", "app.py"]),
    "never ready": (gateway_and_api(NEVER_READY, startTimeout=1500), ["api", "1.5 s", "startTimeout"]),
    "no app at all": ({**app_with(), "web/api/app.py": "x = 1\n"}, ["web/api", "app.py"]),
}


@pytest.mark.parametrize("name", CASES)
def test_a_mistake_is_told_with_file_key_and_remedy(name: str, start: Start) -> None:
    files, told = CASES[name]
    with start(files) as app:
        status = app.wait()
        assert status != 0
        for part in told:
            assert any(part in line for line in app.stderr), (part, app.output)
        assert len(app.stderr) <= ONE_SCREEN


def test_a_port_in_use_is_told_with_the_address_and_a_way_out(start: Start) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        with start(gateway_and_api(), env={"PORT": port}) as app:
            assert app.wait() != 0
            assert any(f"127.0.0.1:{port}" in line for line in app.stderr), app.output
            assert any("free port" in line for line in app.stderr)


def test_a_folder_without_an_app_gets_no_file_written(start: Start, tmp_path: Path) -> None:
    with start({}) as app:
        assert app.wait() != 0
        assert any("watt.json" in line for line in app.stderr)
    assert list(tmp_path.iterdir()) == []


def test_a_missing_env_file_is_an_error(start: Start) -> None:
    with start(gateway_and_api(), "start", "-e", "nowhere.env") as app:
        assert app.wait() != 0
        assert any("nowhere.env" in line for line in app.stderr)


def test_validate_tells_the_same_without_starting(start: Start) -> None:
    files, told = CASES["unknown key"]
    with start(files, "validate") as app:
        assert app.wait() != 0
        for part in told:
            assert any(part in line for line in app.stderr)


def test_validate_finds_modules_that_are_not_there(start: Start) -> None:
    document = {"type": "python", "python": {"module": "ap:app"}}
    with start({**gateway_and_api(), "web/api/watt.json": document}, "validate") as app:
        assert app.wait() == 2
        report = "\n".join(app.stderr)
    assert "web/api/watt.json:4 python.module: service api: there is no module 'ap' in " in report
    assert '\n    fix: did you mean "app"?' in report


def test_validate_lists_the_services_of_a_good_app(start: Start) -> None:
    with start(gateway_and_api(), "validate") as app:
        assert app.wait() == 0
        assert any("is valid" in line["msg"] for line in app.lines)


def test_a_key_that_only_the_original_has_is_a_warning(start: Start) -> None:
    with start(gateway_and_api(managementApi=True)) as app:
        warning = app.wait_for(lambda line: line.get("level") == 40)
        assert "managementApi" in warning["msg"]
        assert "not supported yet" in warning["msg"]
        assert app.get("/api/").status_code == 200


def test_an_unknown_command_is_told(start: Start) -> None:
    with start({"watt.json": GATEWAY}, "strat") as app:
        assert app.wait() == 2
        assert any("strat" in line for line in app.stderr)
