"""Creates the project files of an app: `pyproject.toml` with the settings of its tools, and a `Dockerfile`."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pywatt.scaffold.app_plan import AppPlan
from pywatt.scaffold.env_file import variables
from pywatt.scaffold.file_changes import PlannedFile
from pywatt.scaffold.rendering import render
from pywatt.scaffold.requirements import pinned, requirements

TOOLS = ("mypy", "pytest", "ruff")
"""Development dependencies."""
_EVERYWHERE = {"PLT_SERVER_HOSTNAME": "0.0.0.0"}
_NO_NAME = re.compile(r"[^A-Za-z0-9]+")


def project_files(app: AppPlan) -> Iterator[PlannedFile]:
    """Yield the project files that the folder lacks."""
    values = {
        "name": _NO_NAME.sub("-", app.name).strip("-").lower() or "app",
        "dependencies": _toml_list(requirements(app)),
        "tools": _toml_list([pinned(tool) for tool in TOOLS]),
        "variables": "".join(f"ENV {name}={value}\n" for name, value in {**variables(app), **_EVERYWHERE}.items()),
        "port": variables(app)["PORT"],
    }
    for name in ("pyproject.toml", "Dockerfile", ".dockerignore"):
        path = app.folder / name
        if not path.exists():
            yield PlannedFile(path=path, content=render(f"app/{name}", values))


def _toml_list(items: list[str]) -> str:
    return "".join(f'  "{item}",\n' for item in items)
