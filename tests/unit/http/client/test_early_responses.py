"""A server that responds in the middle of an upload, and closes: its response arrives, on both event loops."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from pywatt.errors import ConnectionLost, MeshError
from pywatt.http.client.address import Address, TcpAddress, UnixAddress
from pywatt.http.client.client import HttpClient
from pywatt.http.client.connection import ClientConnection
from pywatt.http.response_reader import ResponseHead

pytestmark = pytest.mark.anyio
HEAD = b"POST / HTTP/1.1\r\nhost: a\r\ncontent-length: 100000000\r\n\r\n"
PIECE = b"x" * 65536
ROUNDS = 20
TOO_LARGE = b"HTTP/1.1 413 Content Too Large\r\n"


@contextmanager
def hasty_server(listener: socket.socket, response: bytes) -> Iterator[None]:
    """Read the beginning of each request, respond, and close with the rest unread."""

    def serve() -> None:
        with suppress(OSError):  # the listener is shut down
            while True:
                connection, _ = listener.accept()
                with connection:
                    connection.recv(1000)
                    connection.sendall(response)

    thread = threading.Thread(target=serve)
    thread.start()
    try:
        yield
    finally:
        listener.shutdown(socket.SHUT_RDWR)
        thread.join()


class Upload:
    """Sends a body as fast as it is taken."""

    def __init__(self, connection: ClientConnection) -> None:
        self.status = 0
        self.body = b""
        self.over: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._connection = connection
        self._writable = True
        connection.send(self, HEAD, ended=False)
        self._go_on()

    def _go_on(self) -> None:
        if self._writable and not self.over.done():
            self._connection.write(PIECE, ended=False)
            asyncio.get_running_loop().call_soon(self._go_on)

    def on_writable(self, writable: bool) -> None:
        self._writable = writable
        self._go_on()

    def on_informational(self, head: ResponseHead) -> None:
        raise AssertionError

    def on_raw(self, data: bytes) -> None:
        raise AssertionError

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        self.status = head.status
        self.on_body(body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        self.body += body
        if ended:
            self.over.set_result(None)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        self.over.set_exception(error)


@pytest.fixture(params=["unix", "tcp"])
def listener(request: pytest.FixtureRequest, folder: Path) -> Iterator[socket.socket]:
    if request.param == "unix":
        sock = socket.socket(socket.AF_UNIX)
        sock.bind(str(folder / "hasty.sock"))
    else:
        sock = socket.socket()
        sock.bind(("127.0.0.1", 0))
    with sock:
        sock.listen()
        yield sock


def address_of(listener: socket.socket) -> Address:
    name = listener.getsockname()
    return UnixAddress(name) if isinstance(name, str) else TcpAddress(name[0], name[1], tls=False)


@pytest.mark.parametrize(
    ("response", "body"),
    [
        pytest.param(TOO_LARGE + b"content-length: 5\r\n\r\nlarge", b"large", id="small"),
        pytest.param(TOO_LARGE + b"content-length: 100000\r\n\r\n" + b"y" * 100_000, b"y" * 100_000, id="large"),
        pytest.param(TOO_LARGE + b"\r\nuntil the end", b"until the end", id="until the end"),
    ],
)
async def test_the_response_arrives(listener: socket.socket, response: bytes, body: bytes) -> None:
    arrived = 0
    with hasty_server(listener, response):
        async with HttpClient() as client:
            for _ in range(ROUNDS):
                upload = Upload(await client.connect(address_of(listener)))
                with suppress(ConnectionLost):
                    await upload.over
                    assert (upload.status, upload.body) == (413, body)
                    arrived += 1
    if listener.family == socket.AF_UNIX:
        assert arrived == ROUNDS
    elif body == b"large":
        # A reset of TCP overtakes what the server's kernel could not send yet, or this one had no time for.
        assert arrived > ROUNDS / 2


async def test_half_a_response_is_none(listener: socket.socket) -> None:
    with hasty_server(listener, TOO_LARGE + b"content-length: 5\r\n\r\nlar"):
        async with HttpClient() as client:
            for _ in range(ROUNDS):
                with pytest.raises(ConnectionLost):
                    await Upload(await client.connect(address_of(listener))).over
