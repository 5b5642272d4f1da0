"""Finds the application of a Django project via `manage.py`, by reading source without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

SETTINGS_VARIABLE = "DJANGO_SETTINGS_MODULE"
APPLICATION_SETTINGS = ("ASGI_APPLICATION", "WSGI_APPLICATION")
"""Files in order of preference: a project has the first because of Channels; startproject writes the second."""


def find_project(folder: Path) -> tuple[str, str] | None:
    """Return module and attribute of the application of the Django project in a folder, or None."""
    settings = next(_settings_modules(folder / "manage.py"), None)
    if settings is None:
        return None
    package = folder.joinpath(*settings.split("."))
    # Settings are often split: a package of them, or a base beside the one that is named.
    files = [package.with_suffix(".py"), *sorted(package.glob("*.py")), *sorted(package.parent.glob("*.py"))]
    named: dict[str, str] = {}
    for file in files:
        for name, value in _texts(file):
            named.setdefault(name, value)
    for setting in APPLICATION_SETTINGS:
        module, _, attribute = named.get(setting, "").rpartition(".")
        if module:
            return module, attribute
    parts = settings.split(".")
    for count in range(len(parts), -1, -1):
        for name in ("wsgi", "asgi"):
            if folder.joinpath(*parts[:count], f"{name}.py").is_file():
                return ".".join((*parts[:count], name)), "application"
    return None


def _settings_modules(file: Path) -> Iterator[str]:
    """Yield the values to which a file sets DJANGO_SETTINGS_MODULE."""
    for node in ast.walk(_tree(file)):
        match node:
            case ast.Call(args=[*_, ast.Constant(value=name), ast.Constant(value=str(value))]) if (
                name == SETTINGS_VARIABLE
            ):
                yield value
            case ast.Assign(
                targets=[ast.Subscript(slice=ast.Constant(value=name))], value=ast.Constant(value=str(value))
            ) if name == SETTINGS_VARIABLE:
                yield value
            case _:
                pass


def _texts(file: Path) -> Iterator[tuple[str, str]]:
    """Yield the texts that module-level code binds to names."""
    for statement in _tree(file).body:
        match statement:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Constant(value=str(value))):
                yield name, value
            case _:
                pass


def _tree(file: Path) -> ast.Module:
    try:
        return ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ast.Module(body=[], type_ignores=[])
