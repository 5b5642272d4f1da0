"""The options of the service type `python`."""

from __future__ import annotations

import pickle
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pywatt.service_type import OptionsError, Placement
from pywatt.worker.engine import EngineName
from pywatt_services.python import TYPE
from pywatt_services.python.config import Interface, PythonOptions


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
