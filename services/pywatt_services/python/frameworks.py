"""Finds the well-known packages that an application imports, to import them once for all services."""

from __future__ import annotations

import ast
from pathlib import Path

FRAMEWORKS = frozenset(
    {
        "aiohttp",
        "aiokafka",
        "fastapi",
        "flask",
        "httpx",
        "jinja2",
        "pydantic",
        "quart",
        "requests",
        "sqlalchemy",
        "starlette",
    }
)
"""Packages that are slow to import and start no threads or connections, so that forking after the import is safe."""


def imported_frameworks(folder: Path, module: str) -> tuple[str, ...]:
    """Return the well-known packages that the module's file imports at its top level, in alphabetical order."""
    file = folder.joinpath(*module.split("."))
    file = file / "__init__.py" if file.is_dir() else file.with_suffix(".py")
    try:
        tree = ast.parse(file.read_bytes())
    except (OSError, SyntaxError, ValueError):
        return ()  # the worker's own import will tell what is wrong
    names: set[str] = set()
    for statement in tree.body:
        match statement:
            case ast.Import(names=aliases):
                names |= {alias.name.partition(".")[0] for alias in aliases}
            case ast.ImportFrom(module=str(name), level=0):
                names.add(name.partition(".")[0])
            case _:
                pass
    return tuple(sorted(names & FRAMEWORKS))
