"""The folders into which the workers of an app count: made and moved by the supervisor, read by the control worker.

metrics/live/<worker>/     written by the worker and its children
metrics/ended/<worker>/    moved here once all of them are gone
metrics/totals.json        what ended workers have counted
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import NamedTuple

METRICS = "metrics"
MULTIPROC_DIR = "PROMETHEUS_MULTIPROC_DIR"
"""Variable by which `prometheus_client` keeps its values in files of a folder."""
LIVE, ENDED, TOTALS = "live", "ended", "totals.json"
SEPARATOR = "~"
"""Not in the id of a service."""


class WorkerName(NamedTuple):
    """The identity of a worker in the name of its folder."""

    service: str
    slot: str
    incarnation: str
    """Unique in the app."""

    def __str__(self) -> str:
        return SEPARATOR.join(self)


def make_live_folder(runtime_folder: Path, name: WorkerName) -> Path:
    """Make the folder of a new worker and return it. Raises OSError."""
    folder = runtime_folder / METRICS / LIVE / str(name)
    folder.mkdir(0o700, parents=True, exist_ok=True)
    return folder


def end_folder(live: Path) -> None:
    """Mark the folder of a worker as complete: the worker and its children are gone."""
    ended = live.parent.parent / ENDED
    with suppress(OSError):  # the runtime folder was removed
        ended.mkdir(0o700, exist_ok=True)
        live.rename(ended / live.name)
