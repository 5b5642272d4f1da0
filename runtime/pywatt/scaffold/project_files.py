"""Creates the project files of an app: `pyproject.toml` with the settings of its tools, and a `Dockerfile`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pywatt.scaffold.file_changes import PlannedFile
from pywatt.scaffold.layout import Layout
from pywatt.scaffold.line_files import pinned, requirements, variables
from pywatt.scaffold.rendering import render

TOOLS = ("mypy", "pytest", "ruff")
"""Development dependencies."""
_EVERYWHERE = {"PLT_SERVER_HOSTNAME": "0.0.0.0"}
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")


def project_files(layout: Layout) -> Iterator[PlannedFile]:
    """Yield the project files that the folder lacks."""
    values = {
        "name": _NO_NAME.sub("-", layout.name).strip("-").lower() or "app",
        "dependencies": _toml_list(requirements(layout)),
        "tools": _toml_list([pinned(tool) for tool in TOOLS]),
        "variables": "".join(f"ENV {name}={value}\n" for name, value in {**variables(layout), **_EVERYWHERE}.items()),
        "port": variables(layout)["PORT"],
    }
    for name in ("pyproject.toml", "Dockerfile", ".dockerignore"):
        path = layout.folder / name
        if not path.exists():
            yield PlannedFile(path=path, content=render(f"app/{name}", values))


def _toml_list(items: list[str]) -> str:
    return "".join(f'  "{item}",\n' for item in items)
