"""Reads files that a user names: regular files, and FIFOs, which pass secrets.

A FIFO (`-e <(sops -d secrets.env)`, or a password manager's `.env`) is read once for each reading of the configuration.
"""

from __future__ import annotations

import errno
import os
import select
import stat
import time
from pathlib import Path

PATIENCE = 5.0
"""Seconds to wait for a writer of a FIFO."""
MOST_BYTES = 16 * 1024 * 1024
_CHUNK = 64 * 1024


def is_there(file: Path) -> bool:
    """Return whether a path is a file of any kind; a folder is none (`.env` is one in many projects).

    Unlike Path.exists, this takes a folder above that may not be entered as one without the file.
    """
    try:
        return not stat.S_ISDIR(file.stat().st_mode)
    except (OSError, ValueError):
        return False


def absolute(path: Path, folder: Path) -> Path:
    """Return an absolute path without `..`; links stay as the user wrote them."""
    return Path(os.path.normpath((folder / path).absolute()))


def read_file(file: Path) -> bytes:
    """Return the bytes of a file. Raises OSError with a `strerror`, also if nothing is written to a FIFO in time."""
    # Without O_NONBLOCK, opening a FIFO waits for ever for somebody who writes.
    descriptor = os.open(file, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC | os.O_NOCTTY)
    try:
        return _read(descriptor, file, deadline=time.monotonic() + PATIENCE)
    finally:
        os.close(descriptor)


def _read(descriptor: int, file: Path, deadline: float) -> bytes:
    regular = stat.S_ISREG(os.fstat(descriptor).st_mode)
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    content = bytearray()
    while regular or poll.poll(max(0.0, deadline - time.monotonic()) * 1000):
        try:
            chunk = os.read(descriptor, _CHUNK)
        except BlockingIOError:
            continue
        if not chunk:
            return bytes(content)
        content += chunk
        if len(content) > MOST_BYTES:
            raise OSError(errno.EFBIG, f"it has more than {MOST_BYTES // 1024**2} MiB", str(file))
    raise OSError(errno.ETIMEDOUT, f"nobody has written to this FIFO to its end within {PATIENCE:g} s", str(file))
