"""The virtual environment in a service's folder, if it has one: `.venv` or `venv`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pywatt.worker.interpreter import NEEDED

NAMES = (".venv", "venv")
_LIBRARY = re.compile(r"python3\.(\d+)t?")
_LEAST_MINOR = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualEnvironment:
    """A virtual environment of a service's own."""

    name: str
    interpreter: Path
    problem: str
    """Why no worker can run in it; a blank when one can."""


def find_environment(folder: Path) -> VirtualEnvironment | None:
    """Return that of a folder, None when there is none or when pywatt itself runs in it."""
    for name in NAMES:
        interpreter = folder / name / "bin" / "python"
        if not (folder / name / "pyvenv.cfg").is_file() or not os.access(interpreter, os.X_OK):
            continue
        if os.path.realpath(folder / name) == os.path.realpath(sys.prefix):
            return None
        return VirtualEnvironment(name=name, interpreter=interpreter, problem=_problem(folder / name))
    return None


def _problem(environment: Path) -> str:
    """Return why no worker can run in an environment. Nothing of it is run: that would be the user's code."""
    libraries = [
        (found, each) for each in environment.glob("lib/python3.*") if (found := _LIBRARY.fullmatch(each.name))
    ]
    if not libraries:
        return "has no packages"
    found, library = libraries[0]
    if int(found[1]) < _LEAST_MINOR:
        return f"is of Python 3.{found[1]}, but pywatt needs 3.{_LEAST_MINOR} or later"
    paths = _paths(library / "site-packages")
    missing = [name for name in NEEDED if not any((path / name).is_dir() for path in paths)]
    return f"lacks {', '.join(missing)}" if missing else ""


def _paths(packages: Path) -> list[Path]:
    """Return the folder of packages and those that its .pth files add."""
    paths = [packages]
    for file in packages.glob("*.pth"):
        lines = file.read_text("utf-8", "replace").splitlines()
        paths += [Path(line) for line in lines if line.startswith("/")]
    return paths
