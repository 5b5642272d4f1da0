"""Malicious clients: they send endlessly, on several connections, from a separate process.

Run as a program with a port, a file with the attack as JSON, and how many connections.
"""

from __future__ import annotations

import json
import os
import selectors
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

SECONDS = float(os.environ.get("PYWATT_ATTACK_SECONDS", "0.5"))
"""The duration of each attack: half a second by default, longer on request."""
MEDIAN = 5.0
"""Maximum median latency of another client during an attack, in milliseconds."""
ROUNDS = 12
"""Maximum number of measurements: on a busy machine, attackers and servers share a core."""
GROWTH = 64 * 1024
"""Kilobytes by which a process may grow."""
BLOCK = 256 * 1024


@dataclass(frozen=True, kw_only=True)
class Attack:
    """The behaviour of each attacking connection."""

    first: str = ""
    """Bytes to send once (latin-1)."""
    again: str = ""
    """Bytes to send repeatedly afterwards."""
    reads: bool = True
    """True if it reads the answers."""
    returns: bool = True
    """True if it reconnects after it was cut off."""


class _Attacker:
    def __init__(self, port: int, attack: Attack) -> None:
        again = attack.again.encode("latin-1")
        self._block = again * (BLOCK // len(again) + 1) if again else b""
        self._first = attack.first.encode("latin-1")
        self._left = memoryview(self._first or self._block)
        self.reads = attack.reads
        self.sock = socket.create_connection(("127.0.0.1", port))
        self.sock.setblocking(False)
        self.begun = False

    def act(self, events: int) -> None:
        """Read and write as far as possible now. Raises OSError."""
        if events & selectors.EVENT_READ and not self.sock.recv(1 << 20):
            raise ConnectionError
        if events & selectors.EVENT_WRITE and self._left:
            self._left = self._left[self.sock.send(self._left) :]
            self.begun = True
            if not self._left:
                self._left = memoryview(self._block)

    @property
    def wants(self) -> int:
        """The events to wait for."""
        reads = selectors.EVENT_READ if self.reads else 0
        return reads | (selectors.EVENT_WRITE if self._left else 0) or selectors.EVENT_READ


def _run(port: int, attack: Attack, connections: int) -> None:
    selector = selectors.DefaultSelector()

    def add() -> None:
        attacker = _Attacker(port, attack)
        selector.register(attacker.sock, attacker.wants, attacker)

    for _ in range(connections):
        add()
    told = False
    kept: list[_Attacker] = []
    while selector.get_map():
        for key, events in selector.select():
            try:
                key.data.act(events)
                if not attack.reads and key.events == selectors.EVENT_READ:
                    selector.unregister(key.fileobj)  # it neither sends nor takes anything more
                    kept.append(key.data)
                elif key.data.wants != key.events:
                    selector.modify(key.fileobj, key.data.wants, key.data)
            except OSError:
                selector.unregister(key.fileobj)
                key.data.sock.close()
                if attack.returns:
                    add()
        if not told and all(key.data.begun for key in selector.get_map().values()):
            told = True
            print("begun", flush=True)
    sys.stdin.read()


@contextmanager
def under(attack: Attack, port: int, connections: int) -> Iterator[None]:
    """Attack from another process while the block runs."""
    process = subprocess.Popen(
        [sys.executable, __file__, str(port), json.dumps(asdict(attack)), str(connections)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
    )
    assert process.stdout is not None
    assert process.stdin is not None
    try:
        assert process.stdout.readline() == b"begun\n"
        yield
        assert process.poll() is None, "the attack ended"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()
        process.stdin.close()


def median_latency(port: int, request: bytes, *, seconds: float = SECONDS) -> float:
    """Send one request after another as another client; return the median latency in milliseconds."""
    taken: list[float] = []
    end = time.monotonic() + seconds
    while time.monotonic() < end or len(taken) < 20:
        with closing(socket.create_connection(("127.0.0.1", port), timeout=30)) as sock:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            open_ = True
            while open_ and (time.monotonic() < end or len(taken) < 20):
                begun = time.perf_counter()
                sock.sendall(request)
                open_ = _read_answer(sock)
                taken.append((time.perf_counter() - begun) * 1000)
    return statistics.median(taken)


def assert_others_are_served(port: int, request: bytes) -> None:
    """Assert that the attack does not slow down another client."""
    medians: list[float] = []
    while not medians or (min(medians) > _limit() and len(medians) < ROUNDS):
        medians.append(median_latency(port, request))
    assert min(medians) <= _limit(), medians


def _limit() -> float:
    """Return the allowed milliseconds: more if many processes wait for a core, since the attacked one uses CPU."""
    return MEDIAN * max(1.0, os.getloadavg()[0] / (os.cpu_count() or 1))


def _read_answer(sock: socket.socket) -> bool:
    """Read an answer; return whether another request may follow: hypercorn takes a thousand on a connection."""
    answer = b""
    while b"\r\n\r\n" not in answer:
        piece = sock.recv(65536)
        assert piece, answer
        answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    length = int(head.lower().partition(b"content-length:")[2].split(b"\r\n")[0])
    while len(body) < length:
        body += sock.recv(65536)
    return b"connection: close" not in head.lower()


@dataclass(frozen=True)
class MemoryUsage:
    """Memory of processes in kilobytes, by pid."""

    before: dict[int, int]

    @classmethod
    def of(cls, pids: Sequence[int]) -> MemoryUsage:
        """Record the current memory of the processes."""
        return cls({pid: _field(pid, "VmRSS") for pid in pids})

    def growth(self) -> dict[int, int]:
        """Return the growth of each process's peak memory since then, or its growth before it was recorded."""
        return {pid: _field(pid, "VmHWM") - before for pid, before in self.before.items()}

    def assert_bounded(self) -> None:
        """Assert that no process has grown beyond the limit."""
        growth = self.growth()
        assert max(growth.values()) <= GROWTH, growth


def _field(pid: int, name: str) -> int:
    text = Path(f"/proc/{pid}/status").read_text()
    return int(text.partition(f"{name}:")[2].split()[0])


if __name__ == "__main__":
    _run(int(sys.argv[1]), Attack(**json.loads(sys.argv[2])), int(sys.argv[3]))
