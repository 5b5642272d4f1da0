"""Servers that follow a script, on both event loops, and tables that name them."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from harness.scripted_server import answering, anyio_backend, folder, serve

from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState

__all__ = ["answering", "anyio_backend", "folder", "serve"]


def table_of(version: int, *paths: Path, state: ServiceState = ServiceState.READY, port: int | None = 1) -> MeshTable:
    """Return a table with the service `api` at these sockets."""
    endpoints = tuple(Endpoint(f"api/{path.stem}/1", f"unix:{path}") for path in paths)
    return MeshTable(version, {"api": MeshService(id="api", state=state, port=port, endpoints=endpoints)})


@pytest.fixture
def make_table() -> Callable[..., MeshTable]:
    return table_of
