"""Finds all processes that a test has started, daemons included, and waits for their end."""

from __future__ import annotations

import os
import select
import time
from pathlib import Path

MARKER = "WATT_TEST_MARKER"
"""A variable that every process started below a test inherits."""


def marked(marker: str) -> list[int]:
    """Return the pids of all processes that were started with this marker, zombies left out."""
    wanted = f"{MARKER}={marker}".encode()
    found = []
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            if wanted in (folder / "environ").read_bytes().split(b"\0") and "Z" not in _state(folder):
                found.append(int(folder.name))
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            continue
    return found


def _state(folder: Path) -> str:
    return (folder / "stat").read_text().rpartition(")")[2].split()[0]


def wait_for_end(pids: list[int], patience: float = 15.0) -> list[int]:
    """Wait until these processes are gone; return those that are not."""
    deadline = time.monotonic() + patience
    left = []
    for pid in pids:
        try:
            descriptor = os.pidfd_open(pid)
        except ProcessLookupError:
            continue
        try:
            poll = select.poll()
            poll.register(descriptor, select.POLLIN)
            if not poll.poll(max(0, deadline - time.monotonic()) * 1000):
                left.append(pid)
        finally:
            os.close(descriptor)
    return left
