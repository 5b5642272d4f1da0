"""Replaces a freshly forked worker by another Python: that of the service's own virtual environment,
or pywatt's own once more, for variables that a Python reads only when it starts.

The launch message of the new program travels in a file in memory: a line of JSON, which any Python can read, then the
pickled LaunchMessage. It runs `pywatt.worker.process.bootstrap`.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
import sys
from collections.abc import Mapping
from dataclasses import replace
from importlib.metadata import requires
from pathlib import Path

from pywatt.service_type import registered
from pywatt.worker.launch_message import LaunchMessage

PACKAGES = ("pywatt", "pywatt_kafka", "pywatt_schemas", "pywatt_services")
"""Lent to the other interpreter; nothing else of this environment is."""
NEEDED = ("anyio", "httptools", "uvicorn", "uvloop", "websockets")
"""Imports of a worker that the other environment must have."""
_LEAST = re.compile(r"([\w-]+).*?>=([\d.]+)")
SCRIPT = Path(__file__).with_name("bootstrap.py")


def exec_interpreter(launch: LaunchMessage, passed: Mapping[str, int]) -> None:
    """Replace this process by the service's interpreter, with these descriptors open; return when it cannot be run."""
    named = launch.service.interpreter
    interpreter = str(named or sys.executable)
    env = environment(launch.env, named) if named else dict(launch.env)
    header = {
        "packages": {name: str(folder) for name, folder in _folders().items()},
        "needed": _needed() if named else {},
        "type": registered()[launch.service.type].value,
        "passed": dict(passed),
        "service": launch.service.id,
    }
    message = os.memfd_create("pywatt-worker", 0)  # open across the exec
    with open(message, "wb", closefd=False) as file:
        file.write(json.dumps(header).encode() + b"\n" + replace(launch, env=env).to_bytes())
    os.lseek(message, 0, os.SEEK_SET)
    for descriptor in passed.values():
        os.set_inheritable(descriptor, True)
    try:
        os.chdir(launch.service.path)  # relative paths in the variables that Python reads are relative to this one
        os.execve(interpreter, [interpreter, str(SCRIPT), str(message)], env)  # noqa: S606 - the user's own program
    except OSError as error:
        print(f"cannot run the interpreter {interpreter}: {error.strerror}", file=sys.stderr)


def environment(env: Mapping[str, str], interpreter: Path) -> dict[str, str]:
    """Return a service's environment as activating the interpreter's virtual environment would make it."""
    programs = interpreter.parent
    changed = {**env, "PATH": os.pathsep.join((str(programs), env.get("PATH", os.defpath)))}
    if (programs.parent / "pyvenv.cfg").is_file():
        changed["VIRTUAL_ENV"] = str(programs.parent)
    return changed


def _folders() -> dict[str, Path]:
    found = {name: importlib.util.find_spec(name) for name in PACKAGES}
    return {name: Path(spec.origin).parent for name, spec in found.items() if spec is not None and spec.origin}


def _needed() -> dict[str, str]:
    """Return the packages that must be there, with the least version of each, as pywatt's own metadata has it."""
    least = {found[1]: found[2] for line in requires("pywatt") or () if (found := _LEAST.match(line))}
    return {name: least.get(name, "0") for name in NEEDED}
