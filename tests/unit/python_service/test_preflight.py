"""Modules that python services name and that do not exist; nothing is imported to find that out."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import cast

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import ServiceConfig
from pywatt.errors import Problem
from pywatt.service_type import Preflight
from pywatt_services.python import TYPE
from pywatt_services.python.options import PythonOptions

POISON = "raise SystemExit('imported')"
FILES = ("app.py", "package/__init__.py", "package/web.py", "spaces/deep/asgi.py", "lib/apart.py")


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in FILES:
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(POISON)
    return tmp_path


def missing(folder: Path, module: str, interpreter: Path | None = None) -> list[Problem]:
    service = ServiceConfig(
        restart=RESTART,
        id="api",
        path=folder,
        type="python",
        options=PythonOptions(module=module),
        env={"PYTHONPATH": "lib"},
        interpreter=interpreter,
    )
    return list(cast(Preflight, TYPE).preflight(service))


@pytest.mark.parametrize(
    "module", ["app", "package", "package.web", "spaces.deep.asgi", "apart", "json", "json.tool", "sys", "click"]
)
def test_modules_that_exist(folder: Path, module: str) -> None:
    assert missing(folder, module) == []


@pytest.mark.parametrize("module", ["nope", "package.nope", "app.nope", "spaces.nope", "apart.x", "package.web.x"])
def test_modules_that_do_not_exist(folder: Path, module: str) -> None:
    (problem,) = missing(folder, module)
    assert problem.message == f"there is no module {module!r} in {folder} or on its import path"
    assert problem.key == "python.module"


def test_the_hint_names_the_file_that_is_probably_meant(folder: Path) -> None:
    assert missing(folder, "ap")[0].hint == 'did you mean "app"?'
    assert missing(folder, "nope")[0].hint == "create it, or correct the name"
    (folder / "app.py").write_text("app = 1")
    assert missing(folder, "nope")[0].hint == 'write "app:app", which is in this folder'


def environment(folder: Path) -> tuple[Path, Path]:
    """Make what a virtual environment is to the check; return its interpreter and its packages."""
    packages = folder / f".venv/lib/python3.{sys.version_info.minor}/site-packages"
    packages.mkdir(parents=True)
    return folder / ".venv/bin/python", packages


def test_another_interpreter_has_other_packages(folder: Path, tmp_path: Path) -> None:
    interpreter, packages = environment(folder)
    (packages / "theirs.py").write_text(POISON)
    (tmp_path / "source").mkdir()
    (tmp_path / "source/linked.py").write_text(POISON)
    (packages / "linked.pth").write_text(f"# a comment\n{tmp_path / 'source'}\n")
    assert missing(folder, "theirs", interpreter) == []
    assert missing(folder, "linked", interpreter) == []
    assert len(missing(folder, "click", interpreter)) == 1


def test_an_editable_install_with_a_finder_of_its_own_cannot_be_checked(folder: Path) -> None:
    interpreter, packages = environment(folder)
    (packages / "x.pth").write_text("import __editable___x_finder; __editable___x_finder.install()\n")
    assert missing(folder, "nope", interpreter) == []
