"""Checks that the module of a python service exists, without importing anything."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Sequence
from importlib.machinery import (
    BYTECODE_SUFFIXES,
    EXTENSION_SUFFIXES,
    SOURCE_SUFFIXES,
    ExtensionFileLoader,
    FileFinder,
    SourceFileLoader,
    SourcelessFileLoader,
)
from pathlib import Path

from pywatt.config.diagnostics.hints import closest_match
from pywatt.config.model import ServiceConfig
from pywatt.errors import Problem
from pywatt_services.python.detect import find_application
from pywatt_services.python.options import PythonOptions

_LOADERS = (
    (ExtensionFileLoader, EXTENSION_SUFFIXES),
    (SourceFileLoader, SOURCE_SUFFIXES),
    (SourcelessFileLoader, BYTECODE_SUFFIXES),
)


def missing_module(options: PythonOptions, service: ServiceConfig) -> Iterator[Problem]:
    """Yield a problem when there is no such module in the service's folder or on its import path."""
    paths = _import_path(service)
    if paths is None or options.module.partition(".")[0] in sys.builtin_module_names:
        return
    for part in options.module.split("."):
        paths = _find(part, paths)
        if paths is None:
            yield Problem(
                message=f"there is no module {options.module!r} in {service.path} or on its import path",
                key="python.module",
                hint=_hint(options, service.path),
            )
            return


def _import_path(service: ServiceConfig) -> list[str] | None:
    """Return the import path of the service; None: it cannot be determined without running its Python."""
    paths = [str(service.path)]
    paths += [str(service.path / each) for each in service.env.get("PYTHONPATH", "").split(os.pathsep) if each]
    if service.interpreter is None:
        paths += sys.path
        # An editable install may add finders of its own, which find what no folder has.
        own = [finder for finder in sys.meta_path if getattr(finder, "__module__", "").startswith("__editable__")]
        return None if own or any(each.endswith((".zip", ".egg")) and os.path.isfile(each) for each in paths) else paths
    for packages in service.interpreter.parent.parent.glob("lib/python3.*/site-packages"):
        for file in packages.glob("*.pth"):
            lines = file.read_text("utf-8", "replace").splitlines()
            if any(line.startswith("import ") and "__editable__" in line for line in lines):
                return None
            paths += [str(packages / line) for line in lines if line and not line.startswith(("#", "import "))]
        paths += [str(packages.parent), str(packages)]
    return paths


def _find(name: str, paths: Sequence[str]) -> list[str] | None:
    """Return the folders of a package's modules, an empty list for a module, None if neither exists."""
    namespace: list[str] = []
    for path in paths:
        spec = FileFinder(path, *_LOADERS).find_spec(name)
        if spec is None:
            continue
        if spec.loader is not None:
            return list(spec.submodule_search_locations or ())
        namespace += spec.submodule_search_locations or ()
    return namespace or None


def _hint(options: PythonOptions, folder: Path) -> str:
    known = [file.stem for file in folder.glob("*.py")]
    near = closest_match(options.module, known)
    if near is not None:
        return f'did you mean "{near}"?'
    found = find_application(folder)
    return f'write "{":".join(found)}", which is in this folder' if found else "create it, or correct the name"
