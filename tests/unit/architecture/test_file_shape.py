"""Files stay small, have a descriptive name and a docstring, and tests wait for facts."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
SOURCE_FOLDERS = ("runtime", "services", "kafka", "schemas", "examples", "benchmarks")
MAX_LINES = 400
VAGUE_NAMES = {"util", "utils", "helper", "helpers", "common", "base", "manager", "managers", "misc"}
SLEEPING_MODULES = {"time", "asyncio", "anyio", "trio"}

SOURCES = sorted(path for folder in SOURCE_FOLDERS for path in (ROOT / folder).rglob("*.py"))
TESTS = sorted((ROOT / "tests").rglob("*.py"))


def sleeps(source: str) -> Iterator[int]:
    """Yield the line of every sleep for a fixed time; `sleep(0)`, which only yields to other tasks, is none."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id=module), attr="sleep"), args=[ast.Constant(value=seconds)]
            ) if module in SLEEPING_MODULES and seconds:
                yield node.lineno
            case ast.Call(func=ast.Name(id="sleep"), args=[ast.Constant(value=seconds)]) if seconds:
                yield node.lineno


@pytest.mark.parametrize("path", SOURCES, ids=lambda path: str(path.relative_to(ROOT)))
def test_file_is_short_enough(path: Path) -> None:
    assert len(path.read_text().splitlines()) <= MAX_LINES


def test_modules_are_named_by_nouns_of_the_field() -> None:
    assert [str(path.relative_to(ROOT)) for path in SOURCES if VAGUE_NAMES & {path.stem, path.parent.name}] == []


def test_modules_open_with_their_job() -> None:
    trees = {path.relative_to(ROOT): ast.parse(path.read_text()) for path in SOURCES}
    assert [str(path) for path, tree in trees.items() if tree.body and not ast.get_docstring(tree)] == []


def test_tests_do_not_sleep() -> None:
    assert [f"{path.relative_to(ROOT)}:{line}" for path in TESTS for line in sleeps(path.read_text())] == []


def test_sleeps_are_found_in_every_spelling() -> None:
    source = "time.sleep(1)\nanyio.sleep(0.5)\nsleep(0.1)\nasyncio.sleep(0)\nclock.sleep(3)\nanyio.sleep_forever()\n"
    assert list(sleeps(source)) == [1, 2, 3]
