"""The startup cost of the mesh table grows linearly with the number of services, not quadratically."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.app import run_pywatt, write_files
from harness.apps import GATEWAY, Files

FEW, MANY = 8, 32
CODE = """
async def app(scope, receive, send):
    if scope["type"] == "http":
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": b"ok"})
"""


def app_of(services: int) -> Files:
    names = [f"s{number}" for number in range(services - 1)]
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "logger": {"level": "debug"},
            "web": [{"id": "gateway", "path": "web/gateway"}, *({"id": name, "path": f"web/{name}"} for name in names)],
        },
        "web/gateway/watt.json": GATEWAY,
        **{f"web/{name}/app.py": CODE for name in names},
    }


@pytest.mark.timeout(180)
def test_the_bytes_of_the_mesh_table_grow_with_the_services(tmp_path: Path) -> None:
    cost = {}
    for services in (FEW, MANY):
        folder = tmp_path / str(services)
        folder.mkdir()
        write_files(folder, app_of(services))
        with run_pywatt(folder, env={"PORT": "0"}) as app:
            line = app.wait_for(lambda line: "tableBytes" in line)
            assert app.get(f"/s{services - 2}/").text == "ok", "the gateway knows the last one"
            cost[services] = line["tableMessages"], line["tableBytes"]
            assert app.stop() == 0
    for few, many in zip(cost[FEW], cost[MANY], strict=True):
        assert 0 < many <= 1.5 * few * MANY / FEW, cost
