"""Patches name resolution in the Python child processes of a worker.

`pywatt_mesh.pth` imports this when the interpreter starts and a worker's variable is set: for a child of
`multiprocessing` that is spawned, for its forkserver, and for a program in Python. It costs little until `socket` is
imported.
"""

from __future__ import annotations

from pywatt.mesh.import_hook import on_import

TYPE_CHECKING = False
if TYPE_CHECKING:
    from types import ModuleType


def _install(_socket: ModuleType) -> None:
    from pywatt.mesh import resolver_patches
    from pywatt.mesh.table_file import inherited_table

    resolver_patches.install(inherited_table())


on_import("socket", _install)
