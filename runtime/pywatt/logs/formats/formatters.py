"""Calls the formatters of a user's Python file: once, in a process of their own, before anything is logged.

Both are functions of few values: `level(label, number)` of the levels, `bindings(bindings)` of the keys `pid`,
`hostname` and those of `base`. So their results can be kept, and no code of a user runs in the supervisor.
"""

from __future__ import annotations

import importlib.util
import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt.errors import StartError

SECONDS = 10.0
PID, HOSTNAME = "\x00pid", "\x00hostname"
"""Stand for what differs by process."""


@dataclass(frozen=True, slots=True)
class Formatted:
    """The results of the formatters."""

    bindings: tuple[tuple[str, Any], ...] | None = None
    """None: there is no such formatter."""
    levels: Mapping[int, Mapping[str, Any]] = field(default_factory=dict)


def formatted_by(path: Path, levels: Mapping[int, str], base: Mapping[str, Any] | None) -> Formatted:
    """Return the results of the formatters in a file. Raises StartError."""
    given = {"path": os.fspath(path), "levels": dict(levels), "base": base}
    try:
        done = subprocess.run(
            [sys.executable, "-m", __name__],
            input=json.dumps(given),
            capture_output=True,
            text=True,
            timeout=SECONDS,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise StartError(f"the formatters in {path} cannot be called: {error}", hint="see logger.formatters") from error
    # The exit status may have gone to whoever reaps all children here: the output tells.
    try:
        result: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        why = done.stderr.strip().rpartition("\n")[2] or "they ended without a result"
        hint = "logger.formatters.path is a Python file with bindings(bindings) and level(label, number)"
        raise StartError(f"the formatters in {path} failed: {why}", hint=hint) from None
    bindings = result["bindings"]
    return Formatted(
        bindings=None if bindings is None else tuple(bindings.items()),
        levels={int(number): value for number, value in result["levels"].items()},
    )


def _main() -> None:
    given = json.loads(sys.stdin.read())
    path = given["path"]
    output, sys.stdout = sys.stdout, sys.stderr  # what the file prints is no result
    sys.path.insert(0, os.path.dirname(path))
    spec = importlib.util.spec_from_file_location("pywatt_user_formatters", path)
    if spec is None or spec.loader is None:
        sys.exit(f"{path} is no Python file")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    bindings, level = getattr(module, "bindings", None), getattr(module, "level", None)
    if bindings is None and level is None:
        sys.exit(f"{path} has neither bindings nor level")
    base = given["base"] if given["base"] is not None else {"pid": PID, "hostname": HOSTNAME}
    result = {
        "bindings": None if bindings is None else dict(bindings(base)),
        "levels": {}
        if level is None
        else {number: dict(level(label, int(number))) for number, label in given["levels"].items()},
    }
    json.dump(result, output)


if __name__ == "__main__":
    _main()
