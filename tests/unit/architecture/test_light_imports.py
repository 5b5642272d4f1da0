"""Service types and the command line stay light to import: servers, frameworks and Kafka clients load in the child."""

from __future__ import annotations

import json
import subprocess
import sys
import tomllib
from importlib.metadata import entry_points
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
HEAVY = {"aiokafka", "asgiref", "confluent_kafka", "flask", "hypercorn", "jsonschema", "quart", "uvicorn", "watchfiles"}
HEAVY |= {"fastavro", "google", "msgspec", "opentelemetry", "pydantic", "pytest"}
GROUP = "pywatt.service_types"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
TYPES: dict[str, str] = PROJECT["entry-points"][GROUP]


def loaded_after(statement: str) -> set[str]:
    """Return the top-level names of all modules in a fresh interpreter after the statement."""
    code = f"{statement}\nimport json, sys\nprint(json.dumps([name.partition('.')[0] for name in sys.modules]))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("name", TYPES)
def test_service_type_is_light_and_named_as_registered(name: str) -> None:
    module, _, attribute = TYPES[name].partition(":")
    loaded = loaded_after(f"import {module}\nassert {module}.{attribute}.name == {name!r}")
    assert loaded & HEAVY == set()


@pytest.mark.parametrize(
    "module",
    [
        "pywatt",
        "pywatt.service_type",
        "pywatt.cli",
        "pywatt_schemas",
        "pywatt_kafka",
        "pywatt_kafka.testing",
        "pywatt_kafka.tracing",
    ],
)
def test_module_on_the_way_to_the_first_worker_is_light(module: str) -> None:
    assert loaded_after(f"import {module}") & HEAVY == set()


def test_installed_entry_points_are_those_of_pyproject() -> None:
    installed = {entry.name: entry.value for entry in entry_points(group=GROUP) if entry.value.startswith("pywatt")}
    assert installed == TYPES
