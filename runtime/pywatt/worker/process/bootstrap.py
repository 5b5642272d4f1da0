"""The bootstrap of a worker in another Python: see `pywatt.worker.process.other_interpreter`.

Run as a script, by any version of Python 3 and where pywatt is not installed: so it imports nothing but the standard
library until it has found all its requirements, and reports missing ones otherwise.
"""

from __future__ import annotations

import importlib.util
import json
import os
import pathlib
import sys
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Mapping, Sequence  # noqa: UP035 - those of collections.abc came with Python 3.9

LEAST_PYTHON = (3, 11)
EXIT_UNUSABLE = 1


class LentPackages:
    """Finds the packages of pywatt in the environment that started this worker, and nothing else there."""

    def __init__(self, folders: Mapping[str, str]) -> None:
        self._folders = folders

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """Return where a package of ours is."""
        folder = self._folders.get(name)
        if folder is None:
            return None
        file = os.path.join(folder, "__init__.py")
        return importlib.util.spec_from_file_location(name, file, submodule_search_locations=[folder])


def main(descriptor: int) -> int:
    """Read the launch message, check this interpreter, become the worker, and return its exit status."""
    with open(descriptor, "rb") as file:
        header = json.loads(file.readline().decode())
        pickled = file.read()
    # This script's folder would lend its modules' names to imports of the user's.
    if sys.path and sys.path[0] == os.path.dirname(os.path.abspath(__file__)):
        del sys.path[0]
    problem = unusable(header["needed"])
    if problem:
        sys.stderr.write(f"the interpreter of the service {header['service']}, {sys.executable}, {problem}\n")
        return EXIT_UNUSABLE
    sys.meta_path.insert(0, LentPackages(header["packages"]))
    # Python 3.13 alone pickles paths under this name.
    sys.modules.setdefault("pathlib._local", pathlib)
    from pywatt.worker.launch_message import LaunchMessage
    from pywatt.worker.process.main import run_after_exec

    return run_after_exec(LaunchMessage.from_bytes(pickled), header["passed"], header["type"])


def unusable(needed: Mapping[str, str]) -> str:
    """Return the reason why this interpreter cannot run a worker, with the remedy; a blank when it can."""
    if sys.version_info[:2] < LEAST_PYTHON:
        return "is Python {}.{}, but pywatt needs 3.11 or later".format(*sys.version_info)
    from importlib import metadata

    missing = []
    for name, least in sorted(needed.items()):
        if importlib.util.find_spec(name) is None:
            missing.append(name)
            continue
        version = metadata.version(name)
        if numbers(version) < numbers(least):
            missing.append(f"{name} >= {least} (it has {version})")
    if missing:
        has_pip = importlib.util.find_spec("pip") is not None  # uv makes environments without it
        install = f"{sys.executable} -m pip install" if has_pip else f"uv pip install --python {sys.executable}"
        return f"lacks {', '.join(missing)}; install what a worker needs there: {install} pywatt"
    return ""


def numbers(version: str) -> list[int]:
    """Return the leading numbers of a version, which is enough to compare with a least one."""
    found = []
    for part in version.split("."):
        if not part.isdigit():
            break
        found.append(int(part))
    return found


if __name__ == "__main__":
    os._exit(main(int(sys.argv[1])))
