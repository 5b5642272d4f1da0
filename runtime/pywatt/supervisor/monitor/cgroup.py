"""Cores and memory of this machine or container (cgroup v2, then v1, then /proc)."""

from __future__ import annotations

import os
from pathlib import Path

from pywatt.procfs import meminfo

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))


def cores() -> int:
    """Return the number of cores that this process may use."""
    return len(os.sched_getaffinity(0))


def total_memory() -> int:
    """Return the bytes of memory in all."""
    limits = [_number(_CGROUP / limit) for limit, _ in _LIMITS]
    return min([meminfo("MemTotal"), *(limit for limit in limits if limit is not None)])


def free_memory() -> int:
    """Return the bytes of memory that are available without swapping."""
    free = meminfo("MemAvailable")
    for limit_file, used_file in _LIMITS:
        limit, used = _number(_CGROUP / limit_file), _number(_CGROUP / used_file)
        if limit is not None and used is not None:
            free = min(free, max(0, limit - used))
    return free


def _number(file: Path) -> int | None:
    try:
        text = file.read_text().strip()
    except OSError:  # another version of cgroups, or none
        return None
    return int(text) if text.isdigit() else None  # "max": no limit
