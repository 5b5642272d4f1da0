"""Missing optional packages of a service are configuration errors."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

from pywatt.config.pipeline import load
from pywatt.errors import ConfigError, Problem

HOOKS = {
    "type": "kafka-hooks",
    "topics": [{"topic": "a", "url": "http://localhost:1/"}],
    "consumer": {"groupId": "g"},
}


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """A list of modules that appear as not installed; the test adds to it."""
    names: list[str] = []
    real = importlib.util.find_spec
    monkeypatch.setattr(
        "pywatt.config.services.installed_packages.find_spec", lambda name: None if name in names else real(name)
    )
    return names


def problems(folder: Path, document: dict[str, Any], env: dict[str, str] | None = None) -> list[Problem]:
    (folder / "hooks").mkdir(exist_ok=True)
    (folder / "watt.json").write_text(json.dumps({"services": [{"id": "hooks", "path": "hooks"}]}))
    (folder / "hooks" / "platformatic.json").write_text(json.dumps(document))
    (folder / "hooks" / "app.py").write_text("async def main(): ...\n")
    try:
        load(cwd=folder, environ=env or {})
    except ConfigError as error:
        return list(error.problems)
    return []


@pytest.mark.parametrize(
    ("module", "document", "extra"),
    [
        ("aiokafka", {**HOOKS, "brokers": ["localhost:1"]}, "kafka"),
        ("confluent_kafka", {**HOOKS, "brokers": ["localhost:1"], "engine": "rdkafka"}, "rdkafka"),
        ("confluent_kafka", {**HOOKS, "brokers": ["embedded"]}, "embedded"),
        ("jwt", {**HOOKS, "brokers": ["localhost:1"], "auth": {"jwt": {"secret": "s" * 32}}}, "jwt"),
        ("hypercorn", {"type": "python", "server": {"engine": "hypercorn"}}, "hypercorn"),
    ],
)
def test_an_extra_that_is_missing_is_found(
    tmp_path: Path, lacking: list[str], module: str, document: dict[str, Any], extra: str
) -> None:
    assert problems(tmp_path, document) == []
    lacking.append(module)
    (problem,) = problems(tmp_path, document)
    assert "which is not installed" in problem.message
    assert problem.hint == f"pip install 'pywatt[{extra}]'"


def test_all_that_is_missing_is_told_at_once(tmp_path: Path, lacking: list[str]) -> None:
    lacking += ["aiokafka", "confluent_kafka"]
    for brokers, env in (("embedded", {}), ("{KAFKA_BROKERS}", {"KAFKA_BROKERS": "embedded"})):
        found = problems(tmp_path, {**HOOKS, "brokers": [brokers]}, env)
        assert [problem.hint for problem in found] == ["pip install 'pywatt[kafka]'", "pip install 'pywatt[embedded]'"]


def test_an_extra_that_nothing_needs_is_not(tmp_path: Path, lacking: list[str]) -> None:
    lacking += ["confluent_kafka", "jwt", "hypercorn", "re2"]
    assert problems(tmp_path, {**HOOKS, "brokers": ["localhost:1"]}) == []
