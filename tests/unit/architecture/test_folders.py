"""Folders stay small, and no import circle joins modules or folders."""

from __future__ import annotations

import ast
from collections import defaultdict
from collections.abc import Iterator, Mapping
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]
PACKAGES = {
    "pywatt": ROOT / "runtime/pywatt",
    "pywatt_services": ROOT / "services/pywatt_services",
    "pywatt_kafka": ROOT / "kafka/pywatt_kafka",
}
MAX_FILES = 16
DATA = (
    "pywatt.config.model",
    "pywatt.config.dashboard_model",
    "pywatt.config.logger_model",
    "pywatt.config.metrics_model",
)
"""Counts beside `pywatt.config`, not in it: only data, which service types name and the rest of the folder makes."""

Graph = Mapping[str, set[str]]


def modules_of(package: str) -> dict[str, Path]:
    """Return the modules of a package by their dotted names."""
    root = PACKAGES[package]
    paths = {".".join(path.relative_to(root.parent).with_suffix("").parts): path for path in root.rglob("*.py")}
    return {name.removesuffix(".__init__"): path for name, path in paths.items()}


def imports(name: str, tree: ast.Module, modules: Mapping[str, Path]) -> Iterator[str]:
    """Yield the imported modules; an import for types alone counts only where it leaves the folder."""
    for_types = {
        id(node)
        for branch in ast.walk(tree)
        if isinstance(branch, ast.If) and isinstance(branch.test, ast.Name) and branch.test.id == "TYPE_CHECKING"
        for node in ast.walk(branch)
    }
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            found = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and node.module:
            found = [f"{node.module}.{alias.name}" for alias in node.names]
            found = [each if each in modules else node.module for each in found]
        else:
            continue
        for each in found:
            inside = each.rpartition(".")[0] == name.rpartition(".")[0]
            if each in modules and each != name and not (inside and id(node) in for_types):
                yield each


def _apart(name: str) -> str:
    """Return the name of a module; one of DATA counts as a module beside its package."""
    return name.replace("pywatt.config.", "pywatt.config_") if name in DATA else name


def levels(edges: Iterator[tuple[str, str]]) -> dict[str, dict[str, set[str]]]:
    """Return, by package, the imports among its modules and folders; a module's package of its own is `__init__`."""
    found: dict[str, dict[str, set[str]]] = defaultdict(lambda: defaultdict(set))
    for importer, imported in edges:
        one, other = (_apart(name).split(".") for name in (importer, imported))
        shared = 0
        while shared < min(len(one), len(other)) and one[shared] == other[shared]:
            shared += 1
        parent = ".".join(one[:shared])
        found[parent]["".join(one[shared : shared + 1]) or "__init__"].add(
            "".join(other[shared : shared + 1]) or "__init__"
        )
    return found


def circle(graph: Graph) -> list[str]:
    """Return modules or folders that import each other in a circle, if any do."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        return list(error.args[1])
    return []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_circle_joins_modules_or_folders(package: str) -> None:
    modules = modules_of(package)
    edges = (
        (name, imported)
        for name, path in modules.items()
        for imported in imports(name, ast.parse(path.read_text()), modules)
    )
    circles = {parent: found for parent, graph in levels(edges).items() if (found := circle(graph))}
    assert circles == {}


def test_circles_are_found() -> None:
    assert levels(iter([("a.b.c", "a.d"), ("a.d", "a.b.e"), ("a.b.c", "a.b")])) == {
        "a": {"b": {"d"}, "d": {"b"}},
        "a.b": {"c": {"__init__"}},
    }
    assert set(circle({"b": {"d"}, "d": {"b"}})) == {"b", "d"}
    assert circle({"b": {"d"}, "d": {"e"}}) == []


@pytest.mark.parametrize("package", PACKAGES)
def test_no_folder_is_crowded(package: str) -> None:
    sizes = {path.parent: len(list(path.parent.glob("*.py"))) for path in modules_of(package).values()}
    assert {str(folder.relative_to(ROOT)): size for folder, size in sizes.items() if size > MAX_FILES} == {}
