"""What this machine, or the container that we run in, has: cores and memory (cgroup v2, then v1, then /proc)."""

from __future__ import annotations

import os
from pathlib import Path

_CGROUP = Path("/sys/fs/cgroup")
_LIMITS = (("memory.max", "memory.current"), ("memory/memory.limit_in_bytes", "memory/memory.usage_in_bytes"))
_KIB = 1024


def cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0))


def total_memory() -> int:
    """Return the bytes that there are."""
    limits = [_number(_CGROUP / limit) for limit, _ in _LIMITS]
    return min([_meminfo("MemTotal"), *(limit for limit in limits if limit is not None)])


def free_memory() -> int:
    """Return the bytes that can still be had without swapping."""
    free = _meminfo("MemAvailable")
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


def _meminfo(name: str) -> int:
    for line in Path("/proc/meminfo").read_text().splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KIB
    raise ValueError(f"/proc/meminfo has no {name}")
