"""Tells sniffio, where it is installed, which library runs in this thread."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def asyncio_runs_here() -> Iterator[None]:
    """Tell anyio in callbacks, too, that asyncio runs them.

    anyio asks sniffio if somebody has installed it (Litestar has), and sniffio looks for a task. A callback of a
    protocol is none, and anyio starts no task there any more.
    """
    try:
        thread_local = importlib.import_module("sniffio").thread_local
    except ModuleNotFoundError:
        yield  # anyio looks for a running loop itself
        return
    before, thread_local.name = thread_local.name, "asyncio"
    try:
        yield
    finally:
        thread_local.name = before
