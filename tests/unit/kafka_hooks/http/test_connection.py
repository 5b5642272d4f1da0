"""The HTTP server's side of a connection: bytes in, bytes out, on a recording transport."""

from __future__ import annotations

import asyncio
import json
import os
import socket
from collections.abc import Callable
from typing import Any

import pytest
from harness.fair_queue import ManualFairQueue
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.limits import RESUME_HELD
from pywatt.http.server.discard import Discard
from pywatt_services.kafka_hooks.http.connection import HooksConnection
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import ACCEPTED, HttpResponse
from pywatt_services.kafka_hooks.http.server import HooksServer

pytestmark = pytest.mark.anyio

LIMIT = 1000
YES = b"HTTP/1.1 202 Accepted\r\ncontent-length: 0\r\n\r\n"
LAST_YES = b"HTTP/1.1 202 Accepted\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
HEAD = b"POST /topics/a HTTP/1.1\r\nHost: api\r\n"


class Transport:
    """Records the calls on it."""

    def __init__(self) -> None:
        self.sent = b""
        self.reading = True
        self.closed = self.aborted = False
        self.buffered = 0
        self._protocol = asyncio.BaseProtocol()

    @property
    def ended(self) -> bool:
        """True if further incoming bytes are discarded."""
        return isinstance(self._protocol, Discard)

    def set_protocol(self, protocol: asyncio.BaseProtocol) -> None:
        self._protocol = protocol

    def get_protocol(self) -> asyncio.BaseProtocol:
        return self._protocol

    def is_closing(self) -> bool:
        return self.closed

    def set_write_buffer_limits(self, high: int) -> None:
        self.high = high

    def get_write_buffer_size(self) -> int:
        return self.buffered

    def write(self, data: bytes) -> None:
        self.sent += data

    def can_write_eof(self) -> bool:
        return False

    def pause_reading(self) -> None:
        self.reading = False

    def resume_reading(self) -> None:
        self.reading = True

    def close(self) -> None:
        self.closed = True

    def abort(self) -> None:
        self.aborted = True


class SocketTransport(Transport):
    """Has a socket."""

    def __init__(self, sock: socket.socket) -> None:
        super().__init__()
        self._socket = sock

    def get_extra_info(self, name: str) -> Any:
        assert name == "socket"
        return self._socket


class Peer:
    """A client of a server, and the requests that the server's handler received."""

    def __init__(self, answer: Callable[[Request], HttpResponse | None] = lambda _: ACCEPTED, **options: Any) -> None:
        self.now = 0.0
        self.requests: list[Request] = []
        self.exchanges: list[HooksExchange] = []
        self._answer = answer
        self.fair_queue = ManualFairQueue()
        self.server = HooksServer(
            self,
            body_limit=LIMIT,
            fair_queue=self.fair_queue,
            clock=lambda: self.now,
            wall_clock=lambda: 0.0,
            **options,
        )
        self.transport = Transport()
        self.connection = HooksConnection(self.server, public=False)
        self.connection.connection_made(self.transport)  # type: ignore[arg-type]

    def handle(self, request: Request, exchange: HooksExchange) -> None:
        self.requests.append(request)
        self.exchanges.append(exchange)
        answer = self._answer(request)
        if answer is not None:
            exchange.respond(answer)

    def send(self, data: bytes) -> bytes:
        """Send bytes and return the response bytes."""
        before = len(self.transport.sent)
        self.connection.data_received(data)
        self.fair_queue.give_all()
        return self.transport.sent[before:]

    def pass_time(self, seconds: float) -> None:
        self.now += seconds
        self.server.clients.tick()


def later(_: Request) -> None:
    """Answer nothing yet."""


def test_request_and_answer() -> None:
    peer = Peer()
    sent = HEAD + b"X-A: 1\r\nConnection: x-b\r\nX-B: 2\r\nContent-Type: t\r\nContent-Length: 2\r\n\r\nok"
    assert peer.send(sent) == YES
    assert peer.requests == [
        Request(
            "POST",
            "/topics/a",
            b"",
            [(b"x-a", b"1"), (b"content-type", b"t"), (b"host", b"api")],
            b"ok",
            "/topics/a",
        )
    ]
    assert not peer.transport.closed
    assert peer.send(b"GET /../%7Ex?a=%20 HTTP/1.1\r\nHost: b\r\n\r\n") == YES
    assert peer.requests[1] == Request("GET", "/~x", b"a=%20", [(b"host", b"b")], b"", "/../%7Ex?a=%20")


def test_targets_of_browsers_and_curl_are_encoded() -> None:
    peer = Peer()
    assert peer.send('GET /a[b]|^\\"ä?c[]="ü" HTTP/1.1\r\nHost: b\r\n\r\n'.encode()) == YES
    request = peer.requests[0]
    assert (request.path, request.query) == ("/a%5Bb%5D%7C%5E%5C%22%C3%A4", b"c[]=%22%C3%BC%22")
    assert request.target == '/a[b]|^\\"ä?c[]="ü"'


STREAM = (
    HEAD
    + b"Content-Length: 3\r\n\r\nabc"
    + HEAD
    + b"Transfer-Encoding: chunked\r\n\r\n2\r\nde\r\n1\r\nf\r\n0\r\n\r\n"
    + HEAD
    + b"Connection: close\r\n\r\n"
)


@given(st.lists(st.integers(0, len(STREAM)), max_size=6), st.booleans())
def test_pipelined_requests_are_answered_in_order_however_they_arrive(cuts: list[int], at_once: bool) -> None:
    peer = Peer() if at_once else Peer(later)
    ends = [*sorted(cuts), len(STREAM)]
    for begin, end in zip([0, *ends[:-1]], ends, strict=True):
        peer.send(STREAM[begin:end])
    for number in range(3):
        peer.exchanges[number].respond(ACCEPTED)
        peer.fair_queue.give_all()
    assert [request.body for request in peer.requests] == [b"abc", b"def", b""]
    assert peer.transport.sent == YES + YES + LAST_YES
    assert peer.transport.closed


def test_next_request_waits_for_the_answer() -> None:
    peer = Peer(later)
    assert peer.send(HEAD + b"\r\n" + HEAD + b"\r\n") == b""
    assert len(peer.requests) == 1
    peer.exchanges[0].respond(ACCEPTED)
    peer.fair_queue.give_all()
    assert (len(peer.requests), peer.transport.sent) == (2, YES)


def test_client_that_sends_on_and_on_has_to_wait() -> None:
    peer = Peer(later)
    peer.send(HEAD + b"\r\n")
    peer.send((HEAD + b"\r\n") * 2000)
    assert not peer.transport.reading
    while len(peer.requests) < 2001:
        peer.exchanges[-1].respond(ACCEPTED)
        peer.fair_queue.give_all()
        assert peer.transport.reading == (len((HEAD + b"\r\n") * (2001 - len(peer.requests))) <= RESUME_HELD)


def test_client_that_takes_no_answers_is_asked_nothing_more() -> None:
    peer = Peer()
    peer.connection.pause_writing()
    assert not peer.transport.reading
    peer.send(HEAD + b"\r\n" + HEAD + b"\r\n")
    assert peer.requests == []
    peer.connection.resume_writing()
    peer.fair_queue.give_all()
    assert (len(peer.requests), peer.transport.reading) == (2, True)
    peer.connection.pause_writing()
    peer.pass_time(61)
    assert peer.transport.aborted


@pytest.mark.parametrize("half_closes", [False, True])
def test_client_that_leaves_the_last_answers_untaken_is_dropped(half_closes: bool) -> None:
    peer = Peer()
    peer.send(HEAD + (b"\r\n" if half_closes else b"Connection: close\r\n\r\n"))
    peer.transport.buffered = 1
    if half_closes:
        peer.connection.eof_received()
    peer.pass_time(59)
    assert not peer.transport.aborted
    peer.pass_time(2)
    assert peer.transport.aborted


def test_requests_that_came_ahead_are_answered_one_in_each_turn_of_the_loop() -> None:
    peer = Peer()
    peer.connection.data_received((HEAD + b"\r\n") * 3)
    for number in (1, 2, 3):
        assert len(peer.requests) == number
        peer.fair_queue.give_one()
    assert peer.connection.idle


@pytest.mark.parametrize(
    ("sent", "status"),
    [
        (HEAD + b"Content-Length: 1001\r\n\r\n", 413),
        (HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e9\r\n" + b"x" * 1001, 413),
        (b"POST /topics/a HTTP/1.1\r\n\r\n", 400),
        (HEAD + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n", 400),
        (HEAD + b"Transfer-Encoding: gzip\r\n\r\n", 400),
        (b"GET / HTTP/2.0\r\n\r\n", 505),
        (HEAD + b"A: %b\r\n\r\n" % (b"x" * 40_000), 431),
    ],
)
def test_request_that_must_not_be_served(sent: bytes, status: int) -> None:
    peer = Peer()
    head, _, body = peer.send(sent).partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 %d " % status)
    assert b"\r\nconnection: close" in head
    assert json.loads(body)["statusCode"] == status
    assert peer.requests == []
    # Closing with bytes unread would destroy the answer on its way.
    assert (peer.transport.ended, peer.transport.closed) == (True, False)
    assert peer.send(HEAD + b"\r\n") == b""
    peer.pass_time(3)
    assert peer.transport.aborted


def test_body_of_exactly_the_limit_is_taken() -> None:
    peer = Peer()
    assert peer.send(HEAD + b"Content-Length: 1000\r\n\r\n" + b"x" * 1000) == YES
    assert peer.send(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3e8\r\n" + b"x" * 1000 + b"\r\n0\r\n\r\n") == YES


def test_client_that_waits_to_be_told_to_continue() -> None:
    peer = Peer()
    assert peer.send(HEAD + b"Expect: 100-continue\r\nContent-Length: 2\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert peer.send(b"ok") == YES


def test_upgrade_is_ignored_and_keeps_its_body() -> None:
    peer = Peer()
    upgrade = b"Connection: upgrade\r\nUpgrade: h2c\r\nContent-Length: 24\r\n\r\nGET /evil HTTP/1.1\r\n\r\n.."
    assert peer.send(HEAD + upgrade) == YES
    assert [(request.method, len(request.body)) for request in peer.requests] == [("POST", 24)]


def test_http_1_0_is_kept_alive_only_when_it_asks() -> None:
    peer = Peer()
    assert peer.send(b"POST /a HTTP/1.0\r\nConnection: keep-alive\r\n\r\n") == (
        b"HTTP/1.1 202 Accepted\r\nconnection: keep-alive\r\ncontent-length: 0\r\n\r\n"
    )
    assert peer.send(b"POST /a HTTP/1.0\r\n\r\n") == LAST_YES
    assert peer.transport.closed


def test_answer_without_a_body() -> None:
    peer = Peer(lambda request: HttpResponse(204 if request.path == "/none" else 200, (), b"body"))
    assert peer.send(b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n") == b"HTTP/1.1 200 OK\r\ncontent-length: 4\r\n\r\n"
    assert peer.send(b"GET /none HTTP/1.1\r\nHost: a\r\n\r\n") == b"HTTP/1.1 204 No Content\r\n\r\n"


def test_client_that_goes_away_is_told_of_and_gets_no_answer() -> None:
    peer = Peer(later)
    gone: list[bool] = []
    peer.send(HEAD + b"\r\n")
    peer.exchanges[0].on_gone(lambda: gone.append(True))
    peer.connection.connection_lost(None)
    peer.exchanges[0].respond(ACCEPTED)
    assert (gone, peer.transport.sent) == ([True], b"")


def test_request_that_trips_over_a_mistake_is_answered_all_the_same(caplog: pytest.LogCaptureFixture) -> None:
    def trip(_: Request) -> HttpResponse:
        raise ZeroDivisionError

    peer = Peer(trip)
    assert peer.send(HEAD + b"\r\n").startswith(b"HTTP/1.1 500 ")
    assert "POST /topics/a failed" in caplog.text
    assert not peer.transport.closed


def test_time_limits() -> None:
    idle, slow, waiting = Peer(), Peer(), Peer(later)
    slow.send(HEAD)
    waiting.send(HEAD + b"\r\n")
    for peer in (idle, slow, waiting):
        peer.pass_time(61)
    assert slow.transport.sent.startswith(b"HTTP/1.1 408 ")
    assert not idle.transport.closed
    idle.pass_time(15)
    waiting.pass_time(3600)
    assert (idle.transport.closed, waiting.transport.closed) == (True, False)


def test_answers_say_close_while_draining() -> None:
    peer = Peer()
    peer.server.draining = True
    assert peer.send(HEAD + b"\r\n") == LAST_YES
    assert peer.transport.closed


def test_prefix_of_the_app_is_taken_off_and_the_date_is_told_outside() -> None:
    peer = Peer(base_path="/prefix/")
    outside = HooksConnection(peer.server, public=True)
    outside.connection_made(peer.transport)  # type: ignore[arg-type]
    for path in (b"/prefix/topics/a", b"/prefixed", b"/prefix"):
        outside.data_received(b"GET %b HTTP/1.1\r\nHost: a\r\n\r\n" % path)
    assert [request.path for request in peer.requests] == ["/topics/a", "/prefixed", "/"]
    assert b"\r\ndate: Thu, 01 Jan 1970 00:00:00 GMT\r\n" in peer.transport.sent


def test_only_a_unix_socket_tells_whose_process_the_client_is(monkeypatch: pytest.MonkeyPatch) -> None:
    def is_same_user(sock: socket.socket) -> bool:
        connection = HooksConnection(Peer().server, public=False)
        connection.connection_made(SocketTransport(sock))  # type: ignore[arg-type]
        return HooksExchange(connection).is_from_same_user

    ours, theirs = socket.socketpair(socket.AF_UNIX)
    with ours, theirs, socket.socket(socket.AF_INET) as tcp:
        assert is_same_user(ours)
        assert not is_same_user(tcp)
        monkeypatch.setattr(os, "geteuid", lambda: os.getuid() + 1)
        assert not is_same_user(ours)
