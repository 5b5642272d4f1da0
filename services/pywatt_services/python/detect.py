"""Finds the application in a service's folder by reading its source, without running it."""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from pywatt_services.python.django_project import find_project

FILES = ("app.py", "main.py", "asgi.py", "wsgi.py")
NAMES = ("app", "application", "create_app", "main")
"""Names of an application, best first; `main` counts only as an `async def` and if there is no other."""


def find_application(folder: Path) -> tuple[str, str] | None:
    """Return module and attribute of the application in a folder, or None."""
    defined = {file: set(_names(folder / file)) for file in FILES if (folder / file).is_file()}
    return _first(defined, NAMES[:-1]) or find_project(folder) or _first(defined, NAMES[-1:])


def _first(defined: Mapping[str, set[str]], names: Iterable[str]) -> tuple[str, str] | None:
    """Return module and attribute of the first of the names that a file defines."""
    for file, present in defined.items():
        for name in names:
            if name in present:
                return file.removesuffix(".py"), name
    return None


def _names(file: Path) -> Iterator[str]:
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        # A file that cannot be parsed is not silently passed over: its import fails with the place of the error.
        yield NAMES[0]
        return
    yield from _defined(tree.body)


def _defined(statements: Iterable[ast.stmt]) -> Iterator[str]:
    """Yield the names that module-level code binds, in whichever branch."""
    for statement in statements:
        match statement:
            case ast.AsyncFunctionDef(name=name):
                yield name
            case ast.FunctionDef(name=name) | ast.ClassDef(name=name) if name != "main":
                yield name
            case ast.Assign(targets=targets):
                yield from (target.id for target in targets if isinstance(target, ast.Name) and target.id != "main")
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
                yield name
            case ast.ImportFrom(names=aliases):
                yield from (alias.asname or alias.name for alias in aliases if (alias.asname or alias.name) != "main")
            case ast.If() | ast.For() | ast.While():
                if not _is_script_guard(statement):
                    yield from _defined([*statement.body, *statement.orelse])
            case ast.With(body=body) | ast.AsyncWith(body=body):
                yield from _defined(body)
            case ast.Try() | ast.TryStar():
                handlers = [inner for handler in statement.handlers for inner in handler.body]
                yield from _defined([*statement.body, *handlers, *statement.orelse, *statement.finalbody])
            case _:
                pass


def _is_script_guard(statement: ast.stmt) -> bool:
    """Return whether it is `if __name__ == "__main__":`, whose body does not run here."""
    match statement:
        case ast.If(test=ast.Compare(left=ast.Name(id="__name__"))):
            return True
        case _:
            return False
