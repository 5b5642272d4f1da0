"""The metadata of a running app in its folder, for commands of the same user on the same machine."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt.procfs import pid_namespace, start_ticks

METADATA = "metadata.json"
CONTROL_SOCKET = "control.sock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    """One running app."""

    pid: int
    name: str
    root: Path
    url: str | None
    """The URL from outside; None: it has no entrypoint."""
    version: str
    """Version of pywatt."""
    started: int
    """Milliseconds since the epoch."""
    ticks: int
    """Start of its process in clock ticks: tells it from a later process with the same pid."""
    argv: tuple[str, ...]
    namespace: int = 0
    """The pid namespace of the pid: the apps of several containers may share the folder around theirs."""
    ready: bool = True
    """True if its services have started."""
    folder: Path = field(default=Path(), compare=False)
    """The folder that it was read from."""

    def to_json(self) -> dict[str, Any]:
        """Return the form in which it is written."""
        return {
            "pid": self.pid,
            "name": self.name,
            "root": str(self.root),
            "url": self.url,
            "version": self.version,
            "started": self.started,
            "ticks": self.ticks,
            "argv": list(self.argv),
            "namespace": self.namespace,
            "ready": self.ready,
        }


def describe(
    name: str, root: Path, url: str | None, *, version: str, started: int, argv: Sequence[str], pid: int
) -> Runtime:
    """Return the metadata of the app whose supervisor has that pid."""
    return Runtime(
        pid=pid,
        name=name,
        root=root,
        url=url,
        version=version,
        started=started,
        ticks=start_ticks(pid) or 0,
        argv=tuple(argv),
        namespace=pid_namespace(),
    )


def write(folder: Path, runtime: Runtime) -> None:
    """Write it into the app's folder, in one step."""
    new = folder / f"{METADATA}.new"
    new.write_text(json.dumps(runtime.to_json()))
    new.replace(folder / METADATA)


def read(folder: Path) -> Runtime | None:
    """Return the running app of a folder, None when it does not run (any more, or yet)."""
    try:
        document = json.loads((folder / METADATA).read_bytes())
        runtime = Runtime(
            pid=document["pid"],
            name=document["name"],
            root=Path(document["root"]),
            url=document["url"],
            version=document["version"],
            started=document["started"],
            ticks=document["ticks"],
            argv=tuple(document["argv"]),
            namespace=document["namespace"],
            ready=document["ready"],
            folder=folder,
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
    lives = runtime.namespace == pid_namespace() and start_ticks(runtime.pid) == runtime.ticks
    return runtime if lives else None
