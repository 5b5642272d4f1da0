"""The options of the service type `python`."""

from __future__ import annotations

import pickle
import sys
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.service_type import Configured, OptionsError, Placement
from pywatt.worker.asgi.engine import EngineName
from pywatt.worker.process.other_interpreter import NEEDED
from pywatt_services.python import TYPE
from pywatt_services.python.options import Interface, PythonOptions


def options_of(document: dict[str, Any], folder: Path) -> object:
    jsonschema.validate(document, TYPE.schema)
    return TYPE.configure(document, Placement(id="api", path=folder, services=("api",))).options


def test_what_is_said_counts(tmp_path: Path) -> None:
    document = {
        "python": {"module": "package.web:make.app", "interface": "wsgi", "threads": 3},
        "server": {"engine": "hypercorn"},
    }
    options = options_of(document, tmp_path)
    assert options == PythonOptions(
        module="package.web",
        attribute="make.app",
        interface=Interface.WSGI,
        threads=3,
        engine=EngineName.HYPERCORN,
    )
    assert pickle.loads(pickle.dumps(options)) == options


def test_a_module_alone(tmp_path: Path) -> None:
    assert options_of({"python": {"module": "web"}}, tmp_path) == PythonOptions(module="web")


def test_what_is_not_said_is_found(tmp_path: Path) -> None:
    (tmp_path / "asgi.py").write_text("application = 1")
    assert TYPE.detect(tmp_path)
    assert options_of({}, tmp_path) == PythonOptions(module="asgi", attribute="application")


def test_nothing_to_serve_is_an_error_that_says_what_to_do(tmp_path: Path) -> None:
    assert not TYPE.detect(tmp_path)
    with pytest.raises(OptionsError) as raised:
        options_of({}, tmp_path)
    (problem,) = raised.value.problems
    assert str(tmp_path) in problem.message
    assert problem.key == "python.module"
    assert "app.py" in problem.hint


@pytest.mark.parametrize("module", ["", "a b", "web.py:", ":app", "a:b:c", "/abs"])
def test_a_module_that_cannot_be_one_is_refused(tmp_path: Path, module: str) -> None:
    with pytest.raises(jsonschema.ValidationError):
        options_of({"python": {"module": module}}, tmp_path)


def environment(folder: Path, name: str, packages: tuple[str, ...], python: str = "python3.13") -> Path:
    """Create a folder that looks like a virtual environment."""
    library = folder / name / "lib" / python / "site-packages"
    for package in packages:
        (library / package).mkdir(parents=True)
    interpreter = folder / name / "bin" / "python"
    interpreter.parent.mkdir(parents=True)
    interpreter.symlink_to(sys.executable)
    (folder / name / "pyvenv.cfg").write_text("home = /usr/bin\n")
    return interpreter


def made(folder: Path, python: dict[str, Any] | None = None) -> Configured:
    document = {"python": {"module": "app", **(python or {})}}
    jsonschema.validate(document, TYPE.schema)
    return TYPE.configure(document, Placement(id="api", path=folder, services=("api",)))


@pytest.mark.parametrize("name", [".venv", "venv"])
def test_the_virtual_environment_of_a_service_is_used(tmp_path: Path, name: str) -> None:
    assert made(tmp_path).interpreter is None
    interpreter = environment(tmp_path, name, NEEDED)
    assert (made(tmp_path).interpreter, made(tmp_path).warnings) == (interpreter, ())
    assert made(tmp_path, {"interpreter": False}).interpreter is None
    assert made(tmp_path, {"interpreter": sys.executable}).interpreter == Path(sys.executable)


@pytest.mark.parametrize(
    ("packages", "python", "told", "fix"),
    [
        (
            ("anyio", "uvicorn"),
            "python3.13",
            "lacks httptools, uvloop, websockets",
            "uv pip install --python {} pywatt",
        ),
        (("pip",), "python3.13", "lacks anyio", "{} -m pip install pywatt"),
        (NEEDED, "python3.9", "is of Python 3.9", "make it anew with Python 3.11 or later"),
    ],
)
def test_a_virtual_environment_that_is_not_used_is_told(
    tmp_path: Path, packages: tuple[str, ...], python: str, told: str, fix: str
) -> None:
    interpreter = environment(tmp_path, ".venv", packages, python)
    assert made(tmp_path).interpreter is None
    (warning,) = made(tmp_path).warnings
    assert told in warning
    assert f"(fix: {fix.format(interpreter)}" in warning
    assert made(tmp_path, {"interpreter": False}).warnings == ()


def test_a_virtual_environment_in_which_pywatt_runs_is_no_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment(tmp_path, ".venv", ())
    monkeypatch.setattr(sys, "prefix", str(tmp_path / ".venv"))
    assert (made(tmp_path).interpreter, made(tmp_path).warnings) == (None, ())
