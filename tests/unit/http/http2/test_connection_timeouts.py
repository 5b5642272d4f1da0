"""Clients that do not go on: each kind is ended in time, and others of the connection are not."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from h2.config import H2Configuration
from h2.connection import H2Connection
from harness.connection import MemoryTransport
from harness.http2_connection import Carriers, Loop, Queue, with_loop

from pywatt.http.http2.connection import Http2Connection
from pywatt.http.http2.frame_cutter import PREFACE
from pywatt.http.http2.server import Http2Server
from pywatt.http.limits import ConnectionLimits

LIMITS = ConnectionLimits()
BODY = b"x" * 200_000
SETTINGS = b"\0\0\0\4\0\0\0\0\0"
GOAWAY = 7


class Answering(asyncio.Protocol):
    """Answers at once, with more than the windows take."""

    lost = 0

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport: Any = transport

    def data_received(self, data: bytes) -> None:
        self._transport.write(b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(BODY), BODY))

    def connection_lost(self, exc: Exception | None) -> None:
        Answering.lost += 1


class Case:
    """A connection, its client, and the clock."""

    def __init__(self, loop: Loop) -> None:
        self.loop, self.carriers, self.transport = loop, Carriers(), MemoryTransport()
        server = Http2Server(
            accept=Answering,
            carriers=self.carriers,
            fair_queue=Queue(loop),
            draining=lambda: False,
            limits=LIMITS,
            loop=loop,  # type: ignore[arg-type]
        )
        self.connection = Http2Connection(server)
        self.connection.connection_made(self.transport)

    def receive(self, data: bytes) -> None:
        self.connection.data_received(data)
        self.loop.run()

    def at(self, now: float) -> None:
        self.carriers.now = now
        self.connection.look_at_time(now)
        self.loop.run()

    @property
    def sent(self) -> bytes:
        return b"".join(self.transport.writes)

    @property
    def goaway(self) -> int | None:
        """The error code of the last frame, if that is a GOAWAY."""
        data, code = self.sent, None
        while data:
            code = int.from_bytes(data[13:17], "big") if data[3] == GOAWAY else None
            data = data[9 + int.from_bytes(data[:3], "big") :]
        return code


def case(act: Callable[[Case], None]) -> None:
    loop = Loop()
    with_loop(lambda: act(Case(loop)), loop)


def request(client: H2Connection, stream: int) -> bytes:
    fields = [(":method", "GET"), (":scheme", "https"), (":path", "/"), (":authority", "a")]
    client.send_headers(stream, fields, end_stream=True)
    return bytes(client.data_to_send())


def test_a_client_without_a_preface_is_ended() -> None:
    def act(found: Case) -> None:
        found.receive(PREFACE[:5])
        found.at(LIMITS.head_timeout - 1)
        assert not found.transport.closed
        found.at(LIMITS.head_timeout + 1)
        assert found.transport.closed

    case(act)


def test_a_frame_that_does_not_go_on_ends_the_connection() -> None:
    def act(found: Case) -> None:
        found.receive(PREFACE + SETTINGS)
        found.at(LIMITS.head_timeout + 1)
        assert not found.transport.closed  # idle, not slow
        found.receive(b"\0\0\x08\6")
        found.at(2 * LIMITS.head_timeout)
        assert not found.transport.closed
        found.at(2 * LIMITS.head_timeout + 2)
        assert found.transport.closed
        assert found.goaway == 1

    case(act)


def test_a_block_of_fields_without_end_ends_the_connection() -> None:
    def act(found: Case) -> None:
        found.receive(PREFACE + SETTINGS + b"\0\0\1\1\1\0\0\0\1\x82")
        found.at(LIMITS.head_timeout + 1)
        assert found.transport.closed

    case(act)


def test_an_idle_connection_is_closed_with_a_goaway() -> None:
    def act(found: Case) -> None:
        found.receive(PREFACE + SETTINGS)
        found.at(LIMITS.keep_alive - 1)
        assert not found.transport.closed
        found.at(LIMITS.keep_alive + 1)
        assert found.transport.closed
        assert found.goaway == 0

    case(act)


def test_a_response_that_nobody_takes_resets_its_stream_alone() -> None:
    def act(found: Case) -> None:
        Answering.lost = 0
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        found.receive(client.data_to_send() + request(client, 1))
        sent = len(found.sent)
        assert sent < 70_000  # the window of the client
        for now in (1.0, LIMITS.write, LIMITS.write + 2):
            found.at(now)
        assert found.sent[sent:][3] == 3  # RST_STREAM
        assert not found.transport.closed
        assert Answering.lost == 1
        found.receive(request(client, 3))
        assert Answering.lost == 2
        assert not found.transport.closed

    case(act)


def test_a_client_that_reads_nothing_is_broken_off() -> None:
    def act(found: Case) -> None:
        found.receive(PREFACE + SETTINGS)
        found.connection.pause_writing()
        found.at(LIMITS.write + 1)
        assert found.transport.closed

    case(act)


def test_a_connection_that_was_told_of_the_end_serves_what_is_on_its_way() -> None:
    def act(found: Case) -> None:
        client = H2Connection(H2Configuration(client_side=True))
        client.initiate_connection()
        found.receive(client.data_to_send())
        found.connection.retire()
        assert not found.transport.closed
        found.receive(request(client, 1))
        before = len(found.sent)
        assert before > 60_000
        found.receive(b"\0\0\x08\6\1\0\0\0\0farewell")  # the client knows
        assert not found.transport.closed  # the response is not complete
        client.receive_data(b"")
        found.receive(b"\0\0\4\x08\0\0\0\0\0\0\x0f\0\0" + b"\0\0\4\x08\0\0\0\0\1\0\x0f\0\0")
        assert len(found.sent) > len(BODY)
        assert found.transport.closed

    case(act)
