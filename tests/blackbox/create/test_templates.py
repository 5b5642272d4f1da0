"""Every template, alone and with the others: it starts, answers, and its own tests pass."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from harness.app import PYWATT

from pywatt.scaffold.catalogue import TEMPLATES, Template
from pywatt.testing import running

Create = Callable[..., object]
Check = Callable[[str], int]

TESTS = {"http": 2, "log": 1, "gateway": 1, "health": 1, "kafka-hooks": 1}
"""The number of tests that a service comes with, by the kind of its test."""


@pytest.mark.parametrize("template", TEMPLATES, ids=lambda template: template.spelling)
def test_alone(create: Create, check: Check, template: Template) -> None:
    if template.program and shutil.which(template.program) is None:
        pytest.skip(f"{template.program} is not installed")
    create("app", "--service", f"it={template.spelling}")
    assert check("app") == TESTS[template.test]


def test_a_new_app_without_wishes_has_a_gateway_and_an_api(create: Create, check: Check, tmp_path: Path) -> None:
    create("app")
    assert check("app") == 3
    assert (tmp_path / "app" / "web" / "gateway" / "platformatic.json").is_file()
    assert {"watt.json", ".env", ".env.sample", ".gitignore", "README.md", "requirements.txt", "web", "tests"} <= {
        path.name for path in (tmp_path / "app").iterdir()
    }


def test_all_kinds_at_once(create: Create, check: Check) -> None:
    new_services = [
        "api=python:starlette",
        "site=python:flask",
        "jobs=worker",
        "hooks=kafka-hooks",
        "status=health",
        "sh=command:shell",
    ]
    create("app", *(part for new_service in new_services for part in ("--service", new_service)))
    assert check("app") == 2 + 2 + 1 + 1 + 1 + 1 + 1  # the last one is that of the gateway, which was added


@pytest.mark.parametrize("command", ["init", "add"])
def test_the_originals_names_of_the_command(run: Callable[..., Any], command: str) -> None:
    assert "Make an app" in run(PYWATT, command, "--help").stdout


def test_the_docs_page_of_a_new_fastapi_service_finds_its_schema(create: Create, tmp_path: Path) -> None:
    create("app", "--service", "gateway=gateway", "--service", "api=python:fastapi")
    with running(tmp_path / "app") as app:
        assert "'/api/openapi.json'" in app.get("/api/docs").text
        assert app.get("/api/openapi.json").json()["servers"] == [{"url": "/api"}]
