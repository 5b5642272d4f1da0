"""A loopback port serves its own user, and says so to others."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from collections.abc import Iterator

import pytest

from pywatt.http.server.own_user import UnknownOwner, is_own, own_user_only, owner_of

pytestmark = pytest.mark.anyio
NOBODY = 65534
VISIT = """
import os, socket, sys
os.setuid(int(sys.argv[1]))
sock = socket.socket()
sock.connect(("127.0.0.1", int(sys.argv[2])))
sock.sendall(b"hello")
if sys.argv[3] == "leave":
    sock.close()
else:
    print(sock.recv(1000).decode())
"""
needs_root = pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")


@pytest.fixture
def listener() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        yield sock


def visit(listener: socket.socket, *, uid: int, then: str = "read") -> subprocess.Popen[str]:
    port = listener.getsockname()[1]
    command = [sys.executable, "-c", VISIT, str(uid), str(port), then]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def test_the_owner_of_a_connection(listener: socket.socket) -> None:
    with socket.create_connection(listener.getsockname()) as client:
        server, address = listener.accept()
        with server:
            assert owner_of(address, server.getsockname()) == os.getuid()
            assert is_own(address, server.getsockname())
            client.close()
            assert owner_of(address, server.getsockname()) is None
            assert not is_own(address, server.getsockname())
    assert not is_own(None, None)


@needs_root
def test_the_owner_is_another_user(listener: socket.socket) -> None:
    with visit(listener, uid=NOBODY) as process:
        server, address = listener.accept()
        with server:
            assert owner_of(address, server.getsockname()) == NOBODY
            assert not is_own(address, server.getsockname())
        process.wait()


@needs_root
def test_who_has_left_is_not_taken_for_root(listener: socket.socket) -> None:
    with visit(listener, uid=NOBODY, then="leave") as process:
        process.wait()
        server, address = listener.accept()
        with server:
            assert not is_own(address, server.getsockname())


def test_without_sock_diag_everybody_is_let_in(listener: socket.socket, monkeypatch: pytest.MonkeyPatch) -> None:
    def unsupported() -> socket.socket:
        raise OSError

    monkeypatch.setattr("pywatt.http.server.own_user._kernel", unsupported)
    with socket.create_connection(listener.getsockname()):
        server, address = listener.accept()
        with server:
            with pytest.raises(UnknownOwner):
                owner_of(address, server.getsockname())
            assert is_own(address, server.getsockname())


class Echo(asyncio.Protocol):
    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        assert isinstance(transport, asyncio.WriteTransport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        self.transport.write(b"echo " + data)
        self.transport.close()


@needs_root
async def test_others_get_a_403(listener: socket.socket) -> None:
    loop = asyncio.get_running_loop()
    server = await loop.create_server(own_user_only(listener, Echo), sock=listener)
    async with server:
        for uid, expected in ((os.getuid(), "echo hello"), (NOBODY, "HTTP/1.1 403 Forbidden")):
            with visit(listener, uid=uid) as process:
                output, _ = await asyncio.to_thread(process.communicate)
            assert output.startswith(expected)


def test_unix_sockets_need_no_look() -> None:
    with socket.socket(socket.AF_UNIX) as sock:
        assert own_user_only(sock, Echo) is Echo
