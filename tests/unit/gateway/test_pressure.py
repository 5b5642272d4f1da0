"""Backpressure for clients that send or read too slowly or too fast: memory is bounded, and nothing waits forever."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt.http.limits import MAX_HELD, RESUME_HELD, WRITE_BUFFER
from pywatt.http.server.discard import Discard
from pywatt.http.server.fair_queue import STEPS
from pywatt.http.server.state import CLOSED, LINGERING, READING

Scene = Any  # conftest's; importing it would load it twice
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
OWN = b"GET / HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
READ = 256 * 1024
"""Maximum size of one read of the event loop."""


def answers(transport: Any) -> int:
    return int(transport.take().count(b"HTTP/1.1 200 OK\r\n"))


def test_requests_that_came_ahead_are_answered_one_in_each_turn_of_the_loop(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(OWN * 5)
    assert answers(transport) == 1
    for _ in range(4):
        scene.fair_queue.give_one()
        assert answers(transport) == 1
    assert client.idle


def test_connections_share_the_turns(scene: Scene) -> None:
    connections = [scene.connect() for _ in range(2 * STEPS)]
    for client, transport in connections:
        client.data_received(OWN * 3)
        assert answers(transport) == 1
    scene.fair_queue.give_one()
    assert [answers(transport) for _, transport in connections] == [1] * STEPS + [0] * STEPS


def test_a_client_is_not_read_before_little_is_left_of_what_it_sent_ahead(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    client.data_received((GET * (READ // len(GET) + 1))[:READ])
    left = READ
    while left > RESUME_HELD:
        assert not transport.reading
        scene.service.send(OK)
        scene.fair_queue.give_one()
        left -= len(GET)
    assert transport.reading
    client.data_received(GET * (MAX_HELD // len(GET)))
    assert not transport.reading


def test_no_request_begins_while_the_client_does_not_take_its_answers(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET * 2)
    client.pause_writing()
    scene.service.send(OK)
    scene.fair_queue.give_all()
    assert scene.service.received().count(b"GET ") == 1
    assert not transport.reading
    client.data_received(OWN)
    scene.fair_queue.give_all()
    assert scene.service.received() == b""
    client.resume_writing()
    scene.fair_queue.give_all()
    assert scene.service.received().count(b"GET ") == 1
    assert transport.reading
    assert transport.high == WRITE_BUFFER


def test_a_body_goes_on_while_the_client_does_not_take_the_answer_to_it(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na")
    scene.service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\na")
    client.pause_writing()
    assert transport.reading
    client.data_received(b"bcd")
    scene.fair_queue.give_all()
    assert scene.service.received().endswith(b"abcd")


def test_what_came_ahead_does_not_make_a_slow_service_fast(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(OWN + b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n" + b"a" * 200_000)
    scene.fair_queue.give_one()
    scene.service.connection.pause_writing()
    taken = len(scene.service.received())
    scene.fair_queue.give_all()
    assert (scene.service.received(), transport.reading) == (b"", False)
    scene.service.connection.resume_writing()
    scene.fair_queue.give_all()
    assert len(scene.service.received()) + taken > 200_000
    assert transport.reading


def test_tiny_chunks_are_read_in_turns(scene: Scene) -> None:
    client, _ = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n")
    scene.service.received()
    client.data_received(b"1\r\na\r\n" * 10_000 + b"0\r\n\r\n")
    first = scene.service.received().count(b"a")
    assert 0 < first < 1000
    turns = 0
    while scene.fair_queue.give_one():
        turns += 1
    assert turns > 50
    assert first + scene.service.received().count(b"a") == 10_000
    scene.service.send(OK)
    assert client.idle


@pytest.mark.parametrize("end", ["connection: close", "half-closed", "idle"])
def test_a_connection_that_is_to_close_waits_in_bounds_for_the_client_to_take_its_answers(
    scene: Scene, end: str
) -> None:
    client, transport = scene.connect()
    transport.close = lambda: None  # something is left to be sent, but less than would block
    transport.buffered = 1000
    if end == "connection: close":
        client.data_received(OWN.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n"))
    elif end == "half-closed":
        client.data_received(OWN)
        client.eof_received()
    else:
        client.data_received(OWN)
        scene.pass_time(76)
    assert client.state is CLOSED
    scene.pass_time(59)
    assert not transport.aborted
    scene.pass_time(2)
    assert transport.aborted


def test_lingering_lasts_until_the_answer_is_taken(scene: Scene) -> None:
    client, transport = scene.connect()
    transport.buffered = 1000
    client.data_received(b"nonsense\r\n\r\n")
    assert client.state is LINGERING
    scene.pass_time(30)
    assert not transport.aborted
    transport.buffered = 0
    scene.pass_time(1)
    assert transport.aborted


def test_a_connection_on_which_requests_wait_for_their_turn_is_not_idle(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(OWN * 2)
    assert client.state is READING
    assert not client.idle
    scene.fair_queue.give_all()
    assert client.idle
    assert answers(transport) == 2


def test_what_is_thrown_away_comes_no_faster_than_others_are_served(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"nonsense\r\n\r\n")
    assert transport.reading
    discard = transport.get_protocol()
    assert isinstance(discard, Discard)
    for _ in range(3):
        discard.buffer_updated(READ)
        assert not transport.reading
        scene.fair_queue.pass_time()
        assert transport.reading
    discard.buffer_updated(READ)
    scene.pass_time(3)
    assert transport.aborted
