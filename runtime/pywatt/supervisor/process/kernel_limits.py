"""Kernel limits: the open files that the supervisor needs, and errors with hints when a limit is reached."""

from __future__ import annotations

import errno
import resource
from contextlib import suppress

from pywatt.config.model import RuntimeConfig
from pywatt.errors import StartError

NO_ROOM = "raise the limit of processes (ulimit -u, the pids of the container) or of memory, whichever is used up"
OWN_DESCRIPTORS = 48
"""Open files of the supervisor itself: standard streams, log, loop, forkserver, command sockets."""
PER_SERVICE = 1
"""Its loopback socket."""
PER_WORKER = 3
"""The channel and the pipes of its output."""
PER_CHANGE = 8
"""Open files while a worker is replaced: those of its successor, and those passed to it."""
_HINTS = {
    errno.EMFILE: "raise the limit of open files (ulimit -n)",
    errno.ENFILE: "the machine has too many open files (sysctl fs.file-max)",
    errno.ENOSPC: "make room on the file system of the runtime folder, or set PYWATT_RUNTIME_DIR to another one",
    errno.EROFS: "set PYWATT_RUNTIME_DIR to a folder that can be written to",
    errno.EACCES: "set PYWATT_RUNTIME_DIR to a folder that can be written to",
    errno.EAGAIN: NO_ROOM,
    errno.ENOMEM: NO_ROOM,
}


def descriptors(config: RuntimeConfig) -> tuple[int, int]:
    """Return how many open files the supervisor of an app needs at least, and to replace all workers at once (pure)."""
    services, workers = len(config.services), sum(service.workers for service in config.services)
    least = OWN_DESCRIPTORS + PER_SERVICE * services + PER_WORKER * workers + PER_CHANGE
    return least, least + PER_CHANGE * services


def raise_open_files_limit(config: RuntimeConfig) -> None:
    """Raise the soft limit of open files as far as the app needs it. Raises StartError when the hard limit is too low.

    Only as far: child processes inherit the limit, and programs that use select(2) need a low one.
    """
    least, wanted = descriptors(config)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    unlimited = resource.RLIM_INFINITY
    if soft != unlimited and soft < wanted:
        soft = wanted if hard == unlimited else min(wanted, hard)
        with suppress(ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != unlimited and soft < least:
        ways = f"`ulimit -n {wanted}`, with systemd LimitNOFILE={wanted}, with docker --ulimit nofile={wanted}"
        raise StartError(
            f"an app with {len(config.services)} services needs at least {least} open files, but the limit is {soft}",
            hint=f"raise it: {ways}",
        )


def refused(what: str, error: OSError) -> StartError:
    """Return the error for a refusal of the kernel."""
    return StartError(f"{what}: {error.strerror or error}", hint=_HINTS.get(error.errno or 0, ""))
