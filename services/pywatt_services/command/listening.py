"""Finds the addresses on which a program's processes listen, in /proc (proc(5), proc_pid_net(5))."""

from __future__ import annotations

import socket
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from pywatt import procfs

_TABLES = (("tcp", socket.AF_INET), ("tcp6", socket.AF_INET6))
_LISTENING = "0A"
_REACHABLE = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Address for calls to a program that listens on every address."""


@dataclass(frozen=True, slots=True)
class Address:
    """A TCP address on this machine."""

    host: str
    port: int

    def __str__(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"


def listening_addresses(pid: int, proc: Path = procfs.PROC) -> tuple[Address, ...]:
    """Return the addresses on which a process and its descendants listen: one for each port, in order of the ports."""
    inodes = set(procfs.socket_inodes(_family(pid, proc), proc))
    hosts: dict[int, str] = {}
    for inode, address in _table(pid, proc) if inodes else ():
        if inode in inodes:
            # IPv4 comes first in the table: whoever listens on both is called there
            hosts.setdefault(address.port, address.host)
    return tuple(Address(hosts[port], port) for port in sorted(hosts))


def _family(pid: int, proc: Path) -> Iterator[int]:
    """Yield a process and all its descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for folder in proc.iterdir():
        if folder.name.isdigit():
            with suppress(OSError):  # it has ended meanwhile
                # the name in parentheses may hold anything, so what follows the last one is read
                parent = (folder / "stat").read_text(errors="replace").rpartition(")")[2].split()[1]
                children[int(parent)].append(int(folder.name))
    found = [pid]
    while found:
        each = found.pop()
        yield each
        found += children[each]


def _table(pid: int, proc: Path) -> Iterator[tuple[str, Address]]:
    """Yield inode and address of every listening socket in the network that the process sees."""
    for name, family in _TABLES:
        with suppress(OSError):  # no IPv6 here, or the process has ended
            for columns in procfs.tcp_rows(pid, name, proc):
                if columns[3] == _LISTENING:
                    yield columns[9], _address(columns[1], family)


def _address(text: str, family: socket.AddressFamily) -> Address:
    """Read an address as the kernel prints it: 32-bit words in the order of this machine, a colon, the port."""
    words, _, port = text.partition(":")
    raw = b"".join(struct.pack("=I", int(words[at : at + 8], 16)) for at in range(0, len(words), 8))
    host = socket.inet_ntop(family, raw)
    return Address(_REACHABLE.get(host, host), int(port, 16))
