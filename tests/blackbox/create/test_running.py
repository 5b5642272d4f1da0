"""`pywatt.testing`, which starts an app for its tests."""

from __future__ import annotations

from pathlib import Path

import pytest
from harness.app import write_files
from harness.apps import ASGI_API, gateway_and_api

from pywatt.testing import running


def test_an_app_is_asked_and_its_log_read(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api(f"print('imported')\n{ASGI_API}"))
    with running(tmp_path) as app:
        answer = app.post("/api/it", b"hello", headers={"x-it": "1"})
        assert (answer.status, answer.json()["body"]) == (200, "hello")
        assert answer.headers["content-type"] == "application/json"
        assert app.get("/nothing").status == 404
        assert "not found" in app.get("/nothing").text
        assert app.wait_for_log("imported")["name"] == "api"
    assert app.log


def test_an_app_that_does_not_start_fails_the_test_with_its_log(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api("app = 1 / 0\n"))
    with pytest.raises(AssertionError, match=r"(?s)the app's start did not come.*division by zero"), running(tmp_path):
        pass


def test_a_line_that_does_not_come_fails_the_test(tmp_path: Path) -> None:
    write_files(tmp_path, gateway_and_api())
    with running(tmp_path, patience=5.0) as app, pytest.raises(AssertionError, match="'never' did not come"):
        app.wait_for_log("never")


def test_an_app_without_a_public_address_says_so(tmp_path: Path) -> None:
    files = gateway_and_api()
    files["watt.json"] = {"web": [{"id": "api", "path": "web/api"}, {"id": "other", "path": "web/api"}]}
    write_files(tmp_path, files)
    with running(tmp_path) as app, pytest.raises(RuntimeError, match="no public address"):
        app.get("/")
