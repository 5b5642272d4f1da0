"""`pywatt routes`, from the files of an app and from the running app."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

from harness.app import Start, write_files
from harness.apps import GATEWAY, gateway_and_api
from harness.terminal import Outcome

Run = Callable[..., Outcome]

V2 = {"id": "api", "proxy": {"prefix": "/v2", "methods": ["GET"], "routes": ["/items/:id"], "rewritePrefix": "/new"}}
EDGE = {**GATEWAY, "gateway": {"applications": [{"id": "api"}, V2]}}


def test_table_and_the_rule_of_a_url(start: Start, run: Run, tmp_path: Path) -> None:
    files = {**gateway_and_api(), "web/gateway/platformatic.json": EDGE}
    write_files(tmp_path, files)
    from_files = run("routes", env={"PORT": "0"})
    assert from_files.status == 0, from_files.err
    assert from_files.rows == [
        ["RULE", "HOST", "PATHS", "METHODS", "SERVICE", "AT", "POLICIES"],
        ["1", "*", "/api", "all", "api", "/", "-"],
        ["2", "*", "/v2/items/:id", "GET", "api", "/new", "-"],
    ]
    with start(files) as app:
        assert app.get("/v2/items/3").json()["path"] == "/new/items/3"
        # What the app has read, not what the file says by now.
        (tmp_path / "web/gateway/platformatic.json").write_text(json.dumps(GATEWAY))
        assert run("routes").out == from_files.out
        asked = run("routes", "/v2/items/3?x=1", "--json").json
        assert (asked["rule"], asked["service"], asked["target"]) == (2, "api", "/new/items/3?x=1")
        assert str(app.process.pid) in asked["source"]
        none = run("routes", "/v2/items/3", "-X", "POST")
        assert none.status == 1
        assert "no route takes it, the gateway answers 404" in none.out
        assert "takes GET, HEAD only" in none.out
        assert "/v2/items" not in run("routes", "--files", env={"PORT": "0"}).out
