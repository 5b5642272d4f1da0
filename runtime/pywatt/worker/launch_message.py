"""The launch message: all data that a worker process receives when it is forked."""

from __future__ import annotations

import pickle
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from pywatt.config.model import ServerConfig, ServiceConfig
from pywatt.mesh.table import MeshTable


@dataclass(frozen=True, slots=True, kw_only=True)
class LaunchMessage:
    """One incarnation of one worker. Its descriptors travel beside it, in the order of `descriptors`."""

    endpoint_id: str
    service: ServiceConfig
    slot: int
    app_name: str
    production: bool
    base_path: str
    server: ServerConfig
    env: Mapping[str, str]
    """The complete environment, exports of other services included."""
    table: MeshTable = field(default_factory=partial(MeshTable, 0))
    """The mesh table at the time of the fork, which the forkserver knows and puts in."""
    supervisor_pid: int
    mark: int
    """The mark of its processes: see `pywatt.worker.process.descendant_mark`."""
    metrics: Path | None = None
    """The folder for what the worker and its children count; None: nothing is counted."""
    descriptors: tuple[str, ...]
    """Names of the passed descriptors: `channel`, `stdout`, `stderr`, `endpoint`, `loopback`, `public`, `redirect`,
    `terminal`."""

    def to_bytes(self) -> bytes:
        """Return the form that travels to the forkserver."""
        return pickle.dumps(self)

    @staticmethod
    def from_bytes(data: bytes) -> LaunchMessage:
        """Read the result of `to_bytes`; only ever fed by the supervisor over its own socket pair."""
        message = pickle.loads(data)  # noqa: S301 - our own supervisor wrote it, over a private socket pair
        assert isinstance(message, LaunchMessage)
        return message
