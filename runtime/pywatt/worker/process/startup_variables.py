"""Variables that Python and the C library read when a process starts, and a forked worker therefore too late.

A few can be made good in the worker. For the others it becomes a new interpreter, which costs its preloaded modules.
"""

from __future__ import annotations

import io
import os
import sys
import time
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TextIO, cast

SEARCH_PATH = "PYTHONPATH"
_PREFIXES = ("PYTHON", "LC_", "LD_", "MALLOC_", "OPENSSL_")
_NAMES = frozenset(
    {"COVERAGE_PROCESS_CONFIG", "COVERAGE_PROCESS_START", "GCONV_PATH", "GLIBC_TUNABLES", "LANG", "LOCPATH"}
)
_MADE_GOOD = frozenset({SEARCH_PATH, "PYTHONDONTWRITEBYTECODE", "PYTHONUNBUFFERED"})
_READ_LATER = frozenset(
    {
        *("PYTHONASYNCIODEBUG", "PYTHONBREAKPOINT", "PYTHONSTARTUP"),
        *("PYTHON_BASIC_REPL", "PYTHON_COLORS", "PYTHON_HISTORY"),
    }
)
_CUSTOMIZE = frozenset({"sitecustomize", "usercustomize"})


def need_new_interpreter(wanted: Mapping[str, str], running: Mapping[str, str], folder: Path) -> bool:
    """Return whether a process started with the variables `running` needs a new interpreter for the variables `wanted`.

    `folder`: the working directory, to which the search path is relative.
    """
    changed = {name for name, value in wanted.items() if running.get(name, "") != value}
    read = {name for name in changed if name in _NAMES or name.startswith(_PREFIXES)} - _READ_LATER
    if read - _MADE_GOOD:
        return True
    # Modules that are loaded already may be others by this path; what an earlier path has led to cannot be told.
    return SEARCH_PATH in read and (bool(running.get(SEARCH_PATH)) or _hides(search_path(wanted, folder), sys.modules))


def search_path(env: Mapping[str, str], folder: Path) -> list[str]:
    """Return the entries of the search path as Python makes them absolute."""
    return [
        os.path.abspath(os.path.join(folder, entry)) for entry in env.get(SEARCH_PATH, "").split(os.pathsep) if entry
    ]


def make_good(env: Mapping[str, str], folder: Path) -> None:
    """Apply the variables that can take effect now. `os.environ` holds them already."""
    time.tzset()
    sys.dont_write_bytecode = sys.dont_write_bytecode or bool(env.get("PYTHONDONTWRITEBYTECODE"))
    sys.path[1:1] = [entry for entry in search_path(env, folder) if entry not in sys.path]


def open_output(descriptor: int, env: Mapping[str, str]) -> TextIO:
    """Return a text stream as Python makes it of standard output, but line by line though it is a pipe."""
    encoding, _, errors = env.get("PYTHONIOENCODING", "").partition(":")
    unbuffered = bool(env.get("PYTHONUNBUFFERED"))
    raw = io.FileIO(descriptor, "w", closefd=False)
    return io.TextIOWrapper(
        cast("io.BufferedWriter", raw) if unbuffered else io.BufferedWriter(raw),  # as Python does with -u
        encoding=encoding or None,
        errors=errors or "backslashreplace",
        line_buffering=True,
        write_through=unbuffered,
    )


def _hides(entries: Iterable[str], loaded: Iterable[str]) -> bool:
    """Return whether a folder of the search path holds a module that would be another one than a loaded one."""
    names = _CUSTOMIZE | {name.partition(".")[0] for name in loaded}
    for entry in entries:
        try:
            found = {name.partition(".")[0] for name in os.listdir(entry)}
        except FileNotFoundError:
            continue
        except OSError:
            return True  # an archive, or a folder that only Python may know how to read
        if found & names:
            return True
    return False
