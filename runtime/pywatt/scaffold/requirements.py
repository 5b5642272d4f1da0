"""Creates or extends the requirements of an app, with the version range of each package (pure)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Sequence

from pywatt import __version__
from pywatt.scaffold.app_plan import AppPlan
from pywatt.scaffold.file_changes import append_lines

PINS = {
    "fastapi": ">=0.115,<1",
    "flask": ">=3.1,<4",
    "mypy": ">=1.15,<3",
    "pytest": ">=8.3,<10",
    "quart": ">=0.20,<1",
    "ruff": ">=0.9,<1",
    "starlette": ">=0.40,<2",
}
"""Version ranges of packages for a new app."""
_EXTRAS = re.compile(r"pywatt\[(.+)\]")


def requirements(app: AppPlan) -> list[str]:
    """Return the requirements of the new services; pywatt once, with all its extras."""
    wanted = [line for service in app.new_services for line in service.template.requirements]
    extras = sorted({found[1] for line in wanted if (found := _EXTRAS.fullmatch(line))})
    packages = sorted({line for line in wanted if not _EXTRAS.fullmatch(line)})
    own = [f"pywatt[{','.join(extras)}]=={__version__}"] if extras else [f"pywatt=={__version__}"]
    return [*(own if extras or app.present is None else []), *map(pinned, packages)]


def pinned(package: str) -> str:
    """Return a line of a requirements file for a package."""
    return package + PINS.get(package, "")


def requirements_text(text: str, needed: Sequence[str]) -> str:
    """Return a requirements file with the lines that it lacks; a package listed with any version is kept."""
    named = {re.split(r"[\s<>=!~;@]", line.lower(), maxsplit=1)[0] for line in text.splitlines()}
    there = named | {name.partition("[")[0] for name in named} | set(text.lower().splitlines())
    return append_lines(text, [line for line in needed if not {line.lower(), _package(line)} & there])


def undeclared(pyproject: str, needed: Sequence[str]) -> list[str]:
    """Return the packages missing from the dependencies of a project; empty if it declares no dependencies."""
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError:
        return []
    if not isinstance(project, dict) or not isinstance(project.get("dependencies"), list):
        return []
    listed = "".join(f"{line}\n" for line in project["dependencies"])
    return requirements_text(listed, needed).removeprefix(listed).split()


def _package(line: str) -> str:
    return re.split(r"[<>=!~;@]", line.lower(), maxsplit=1)[0].strip()
