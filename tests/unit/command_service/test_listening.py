"""Listening ports of programs, read from a copy of the kernel's tables."""

from __future__ import annotations

import os
import socket
import sys
from pathlib import Path

import pytest

from pywatt_services.command.listening import Address, listening_addresses

HEAD = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n"
pytestmark = pytest.mark.skipif(sys.byteorder == "big", reason="the tables below are of a little-endian machine")


def process(proc: Path, pid: int, parent: int, *sockets: int, name: str = "node") -> None:
    folder = proc / str(pid)
    (folder / "fd").mkdir(parents=True)
    (folder / "stat").write_text(f"{pid} ({name}) S {parent} 1 1 0 -1")
    for number, inode in enumerate(sockets, start=3):
        os.symlink(f"socket:[{inode}]", folder / "fd" / str(number))
    os.symlink("/dev/null", folder / "fd" / "0")


def table(proc: Path, pid: int, name: str, *rows: tuple[str, str, int]) -> None:
    (proc / str(pid) / "net").mkdir(exist_ok=True)
    lines = [
        f"   {n}: {local} 00000000:0000 {state} 0:0 0:0 0 0 0 {inode} 1 0"
        for n, (local, state, inode) in enumerate(rows)
    ]
    (proc / str(pid) / "net" / name).write_text(HEAD + "".join(f"{line}\n" for line in lines))


def test_a_program_and_its_descendants_are_looked_at(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, 100)
    process(tmp_path, 11, 10, name="sh) (x")
    process(tmp_path, 12, 11, 101)
    process(tmp_path, 20, 1, 102)
    listening = [("0100007F:0BB8", "0A", 100), ("00000000:1F90", "0A", 101), ("0100007F:0050", "0A", 102)]
    table(tmp_path, 10, "tcp", *listening)
    assert listening_addresses(10, tmp_path) == (Address("127.0.0.1", 3000), Address("127.0.0.1", 8080))
    (tmp_path / "self").mkdir()
    assert listening_addresses(99, tmp_path) == ()


def test_connections_are_no_listeners(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, 100)
    table(tmp_path, 10, "tcp", ("0100007F:0BB8", "01", 100))
    assert listening_addresses(10, tmp_path) == ()


@pytest.mark.parametrize(
    ("words", "host"),
    [
        ("00000000000000000000000001000000", "::1"),
        ("00000000000000000000000000000000", "::1"),
        ("B80D0120000000000000000001000000", "2001:db8::1"),
    ],
)
def test_ipv6(tmp_path: Path, words: str, host: str) -> None:
    process(tmp_path, 10, 1, 100)
    table(tmp_path, 10, "tcp6", (f"{words}:0BB8", "0A", 100))
    (address,) = listening_addresses(10, tmp_path)
    assert address == Address(host, 3000)
    assert str(address) == f"[{host}]:3000"


def test_a_port_on_both_is_called_over_ipv4(tmp_path: Path) -> None:
    process(tmp_path, 10, 1, 100, 101)
    table(tmp_path, 10, "tcp", ("00000000:0BB8", "0A", 100))
    table(tmp_path, 10, "tcp6", ("0" * 32 + ":0BB8", "0A", 101))
    assert listening_addresses(10, tmp_path) == (Address("127.0.0.1", 3000),)


def test_the_real_tables_have_this_processs_socket() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        assert Address("127.0.0.1", sock.getsockname()[1]) in listening_addresses(os.getpid())
