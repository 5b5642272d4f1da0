"""Finds the virtual environment in a service's folder: `.venv` or `venv`."""

from __future__ import annotations

import os
import re
import sys
from dataclasses import dataclass
from pathlib import Path

from pywatt.worker.process.other_interpreter import NEEDED

NAMES = (".venv", "venv")
_LIBRARY = re.compile(r"python3\.(\d+)t?")
_LEAST_MINOR = 11


@dataclass(frozen=True, slots=True, kw_only=True)
class VirtualEnvironment:
    """The virtual environment of a service."""

    name: str
    interpreter: Path
    problem: str
    """The reason why no worker can run in it; empty if one can."""
    fix: str
    """The command that repairs it then."""


def find_environment(folder: Path) -> VirtualEnvironment | None:
    """Return the virtual environment of a folder; None if there is none or if pywatt itself runs in it."""
    for name in NAMES:
        interpreter = folder / name / "bin" / "python"
        if not (folder / name / "pyvenv.cfg").is_file() or not os.access(interpreter, os.X_OK):
            continue
        if os.path.realpath(folder / name) == os.path.realpath(sys.prefix):
            return None
        problem, fix = _problem(folder / name)
        return VirtualEnvironment(name=name, interpreter=interpreter, problem=problem, fix=fix)
    return None


def _problem(environment: Path) -> tuple[str, str]:
    """Return the reason why no worker can run in an environment, and the command that repairs it; empty if one can.

    Nothing of the environment is run: that would be the user's code.
    """
    libraries = [
        (found, each) for each in environment.glob("lib/python3.*") if (found := _LIBRARY.fullmatch(each.name))
    ]
    anew = f"make it anew with Python 3.{_LEAST_MINOR} or later, with pywatt in it"
    if not libraries:
        return "has no packages", anew
    found, library = libraries[0]
    if int(found[1]) < _LEAST_MINOR:
        return f"is of Python 3.{found[1]}, but pywatt needs 3.{_LEAST_MINOR} or later", anew
    paths = _paths(library / "site-packages")
    missing = [name for name in NEEDED if not any((path / name).is_dir() for path in paths)]
    if not missing:
        return "", ""
    interpreter = environment / "bin" / "python"
    # uv makes environments without pip.
    has_pip = any((path / "pip").is_dir() for path in paths)
    install = f"{interpreter} -m pip install" if has_pip else f"uv pip install --python {interpreter}"
    return f"lacks {', '.join(missing)}", f"{install} pywatt, and `pywatt reload` if the app runs already"


def _paths(packages: Path) -> list[Path]:
    """Return the folder of packages and the folders that its .pth files add."""
    paths = [packages]
    for file in packages.glob("*.pth"):
        lines = file.read_text("utf-8", "replace").splitlines()
        paths += [Path(line) for line in lines if line.startswith("/")]
    return paths
