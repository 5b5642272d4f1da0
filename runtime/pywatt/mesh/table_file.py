"""The mesh table for the child processes of a worker: a file in memory, opened through /proc.

It holds the newest names that the worker knows, costs nothing on disk, and is gone with the worker.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable

from pywatt.mesh.table import MeshService, MeshTable, TableDelta

VARIABLE = "PYWATT_MESH"


class TableFile:
    """Writes the file in the worker."""

    def __init__(self) -> None:
        self._descriptor = os.memfd_create("pywatt-mesh")
        self._written: list[tuple[str, int | None, bool]] = []
        self.path = f"/proc/{os.getpid()}/fd/{self._descriptor}"

    def update(self, table: MeshTable) -> None:
        """Replace the content if names or ports have changed."""
        names = [(service.id, service.port, service.internal) for service in table.services.values()]
        if names == self._written:
            return
        self._written = names
        services = (MeshService(it.id, it.state, it.port, internal=it.internal) for it in table.services.values())
        content = TableDelta(max(1, table.version), 0, tuple(services))
        # Another file under the same number: a reader has the old one or the new one, whole.
        replacement = os.memfd_create("pywatt-mesh")
        with open(replacement, "wb") as file:
            file.write(json.dumps(content.to_json()).encode())
            file.flush()
            os.dup2(replacement, self._descriptor, inheritable=False)


def inherited_table() -> Callable[[], MeshTable]:
    """Return a reader of the newest table of the worker that this process comes from."""
    path = os.environ.get(VARIABLE, "")
    table, seen = MeshTable(0), 0

    def newest() -> MeshTable:
        nonlocal table, seen
        try:
            with open(path, "rb") as file:
                if (inode := os.fstat(file.fileno()).st_ino) != seen:
                    table, seen = MeshTable(0).after(TableDelta.from_json(json.load(file))), inode
        except (OSError, ValueError, KeyError):
            pass  # the worker is gone: its last table still holds
        return table

    return newest
