"""The only reader of /proc (proc(5)): a process that has ended reads as empty."""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

PROC = Path("/proc")
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
    """Return a process and its descendants."""
    found = [root]
    for pid in found:
        found += [int(child) for child in _text(f"/proc/{pid}/task/{pid}/children").split()]
    return found


def cpu_seconds(pids: Iterable[int]) -> float:
    """Return the processor time that the processes have used until now."""
    total = 0
    for pid in pids:
        total += sum(int(field) for field in _stat(pid)[11:13])  # utime and stime
    return total / _TICKS


def start_ticks(pid: int) -> int | None:
    """Return the start of a process in clock ticks since the boot; None: it does not run."""
    fields = _stat(pid)
    return int(fields[19]) if fields and fields[0] != "Z" else None


def has_ended(pid: int) -> bool:
    """Return whether a process has ended, though its parent may not have collected it."""
    fields = _stat(pid)
    return not fields or fields[0] in "ZX"


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
    """Return the state of a process in the kernel's words, such as `T (stopped)`."""
    return _status(pid, "State") or "gone"


def catches(pid: int, number: int) -> bool:
    """Return whether the process has a handler for that signal."""
    return bool(int(_status(pid, "SigCgt") or "0", 16) >> (number - 1) & 1)


def program(pid: int) -> Path:
    """Return the file that a process runs; blank: it has ended, or belongs to another user."""
    try:
        return Path(os.readlink(f"/proc/{pid}/exe"))
    except OSError:
        return Path()


def limit(pid: int, name: str) -> str:
    """Return the soft value of a resource limit, such as `Max file locks`; blank: not to be read."""
    for line in _text(f"/proc/{pid}/limits").splitlines():
        if line.startswith(name):
            return line.removeprefix(name).split()[0]
    return ""


def pids() -> list[int]:
    """Return all processes."""
    return [int(name) for name in os.listdir(PROC) if name.isdigit()]


def pid_namespace() -> int:
    """Return the number of the namespace in which this process's pids count (pid_namespaces(7)); 0: unknown."""
    try:
        return os.stat("/proc/self/ns/pid").st_ino
    except OSError:
        return 0


def network_namespace(pid: int) -> str:
    """Return the network namespace of a process. Raises OSError."""
    return os.readlink(f"/proc/{pid}/ns/net")


def socket_inodes(pids: Iterable[int], proc: Path = PROC) -> Iterator[str]:
    """Yield the inodes of the sockets that processes have open."""
    for pid in pids:
        with suppress(OSError):  # it has ended, or belongs to another user
            for descriptor in os.listdir(proc / str(pid) / "fd"):
                with suppress(OSError):
                    target = os.readlink(proc / str(pid) / "fd" / descriptor)
                    if target.startswith("socket:["):
                        yield target[8:-1]


def tcp_rows(pid: int, table: str = "tcp", proc: Path = PROC) -> list[list[str]]:
    """Return the columns of the TCP sockets in a process's network namespace (proc_pid_net(5)). Raises OSError."""
    return [line.split() for line in (proc / str(pid) / "net" / table).read_text().splitlines()[1:]]


def meminfo(name: str) -> int:
    """Return a value of /proc/meminfo in bytes. Raises ValueError."""
    for line in _text("/proc/meminfo").splitlines():
        if line.startswith(f"{name}:"):
            return int(line.split()[1]) * _KIB
    raise ValueError(f"/proc/meminfo has no {name}")


def _stat(pid: int) -> list[str]:
    """Return the fields of /proc/<pid>/stat after the name, which may hold anything; the state comes first."""
    return _text(f"/proc/{pid}/stat").rpartition(")")[2].split()


def _status(pid: int, field: str) -> str:
    for line in _text(f"/proc/{pid}/status").splitlines():
        if line.startswith(f"{field}:"):
            return line.partition(":")[2].strip()
    return ""


def _text(path: str) -> str:
    try:
        return Path(path).read_text(errors="replace")
    except OSError:  # the process has ended
        return ""
