"""What the kernel says of processes in /proc (proc(5)); one that has ended counts as nothing."""

from __future__ import annotations

import os
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

_TICKS = os.sysconf("SC_CLK_TCK")
"""Clock ticks per second, the unit of /proc/<pid>/stat."""
_PAGE = os.sysconf("SC_PAGE_SIZE")
_KIB = 1024


@dataclass(frozen=True, slots=True)
class Memory:
    """The memory of a process with its descendants, in bytes."""

    pss: int
    """Shared pages count in proportion to those who share them."""
    rss: int


def tree(root: int) -> list[int]:
    """Return the pid with those of its descendants."""
    found = [root]
    for pid in found:
        found += [int(child) for child in _text(f"/proc/{pid}/task/{pid}/children").split()]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that the processes have used until now."""
    total = 0
    for pid in pids:
        fields = _text(f"/proc/{pid}/stat").rpartition(")")[2].split()
        total += sum(int(field) for field in fields[11:13])  # utime and stime
    return total / _TICKS


def resident(pids: Iterable[int]) -> int:
    """Return the resident memory in bytes, shared pages counted once for each process: cheap, and never too little."""
    fields = (_text(f"/proc/{pid}/statm").split() for pid in pids)
    return sum(int(field[1]) for field in fields if field) * _PAGE


def memory(pids: Iterable[int]) -> Memory:
    """Return the memory in use; the kernel walks every page for it, some milliseconds for a large process."""
    pss = rss = 0
    for pid in pids:
        for line in _text(f"/proc/{pid}/smaps_rollup").splitlines():
            name, _, rest = line.partition(":")
            if name == "Pss":
                pss += int(rest.split()[0]) * _KIB
            elif name == "Rss":
                rss += int(rest.split()[0]) * _KIB
    return Memory(pss, rss)


def state(pid: int) -> str:
    """Return what the kernel calls the process's state, such as `T (stopped)`."""
    return _status(pid, "State") or "gone"


def catches(pid: int, number: int) -> bool:
    """Whether the process has a handler for that signal."""
    return bool(int(_status(pid, "SigCgt") or "0", 16) >> (number - 1) & 1)


def _status(pid: int, field: str) -> str:
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith(f"{field}:"):
            return line.partition(":")[2].strip()
    return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text()
    except OSError:  # the process has ended
        return ""
