"""Clients of kafka-hooks on raw sockets that send endlessly neither delay other clients nor grow the process."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from harness.attack import Attack, MemoryUsage, assert_others_are_served, median_latency, under

PROGRAM = Path(__file__).with_name("attacked_server.py")
GET = "GET / HTTP/1.1\r\nHost: x\r\n\r\n"
POST = "POST /topics/a HTTP/1.1\r\nHost: x\r\n"

ATTACKS = {
    "pipelining": Attack(again=GET),
    "pipelining of bodies": Attack(again=POST + "Content-Length: 3\r\n\r\nabc"),
    "pipelining of expectations": Attack(again=POST + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx"),
    "no reading": Attack(again=GET, reads=False),
    "no reading of interim answers": Attack(
        again=POST + "Expect: 100-continue\r\nContent-Length: 1\r\n\r\nx", reads=False
    ),
    "tiny chunks": Attack(again=POST + "Transfer-Encoding: chunked\r\n\r\n" + "1\r\nx\r\n" * 5000 + "0\r\n\r\n"),
    "bodies that are too large": Attack(first=POST + "Transfer-Encoding: chunked\r\n\r\n", again="1\r\nx\r\n"),
    "empty lines": Attack(again="\r\n"),
    "header fields": Attack(first="GET / HTTP/1.1\r\nHost: x\r\n", again="a:\r\n"),
}


@pytest.fixture(scope="module")
def server() -> Iterator[tuple[int, int]]:
    """A server: its port and its pid."""
    process = subprocess.Popen([sys.executable, PROGRAM], stdout=subprocess.PIPE)
    assert process.stdout is not None
    try:
        port = int(process.stdout.readline())
        median_latency(port, GET.encode())
        yield port, process.pid
        assert process.poll() is None
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.mark.parametrize(("name", "connections"), [("pipelining", 1), *((name, 4) for name in ATTACKS)])
def test_nobody_else_feels(server: tuple[int, int], name: str, connections: int) -> None:
    port, pid = server
    memory = MemoryUsage.of([pid])
    with under(ATTACKS[name], port, connections):
        assert_others_are_served(port, GET.encode())
    memory.assert_bounded()
