"""Arbitrary bytes of clients and services cause no exception, and never two service requests for one client request."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from pywatt.errors import ServiceUnavailable
from pywatt.http.server.state import READING, WAITING

SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)
CLIENT_PIECES = st.one_of(
    st.sampled_from(
        [
            b"GET /api HTTP/1.1\r\n",
            b"POST /api/x HTTP/1.1\r\n",
            b"HEAD /api HTTP/1.1\r\n",
            b"GET /api HTTP/1.0\r\n",
            b"GET /nowhere HTTP/1.1\r\n",
            b"Host: a\r\n",
            b"Content-Length: 5\r\n",
            b"Content-Length: 0\r\n",
            b"Transfer-Encoding: chunked\r\n",
            b"Connection: close\r\n",
            b"Connection: Upgrade\r\nUpgrade: h2c\r\n",
            b"Connection: Upgrade\r\nUpgrade: websocket\r\n",
            b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
            b"Expect: 100-continue\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"hello",
            b"GET /api HTTP/1.1\r\nHost: a\r\n\r\n",
            b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nhello",
            b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
        ]
    ),
    st.binary(max_size=8),
)
SERVICE_PIECES = st.one_of(
    st.sampled_from(
        [
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
            b"HTTP/1.1 200 OK\r\n",
            b"HTTP/1.1 103 Early Hints\r\n\r\n",
            b"HTTP/1.1 204 No Content\r\n\r\n",
            SWITCHING,
            b"transfer-encoding: chunked\r\n",
            b"connection: close\r\n",
            b"content-length: 5\r\n",
            b"\r\n",
            b"5\r\nhello\r\n",
            b"0\r\n\r\n",
            b"hello",
        ]
    ),
    st.binary(max_size=8),
)
STEPS = st.one_of(
    st.tuples(st.just("client"), CLIENT_PIECES),
    st.tuples(st.just("client"), CLIENT_PIECES),
    st.tuples(st.just("service"), SERVICE_PIECES),
    st.tuples(
        st.sampled_from(
            [
                "dial",
                "fail",
                "service closes",
                "client closes",
                "client slow",
                "client fast",
                "turn",
                "all turns",
                "time",
                "long time",
            ]
        ),
        st.just(b""),
    ),
)
REQUEST_LINE = re.compile(rb"(?:GET|POST|HEAD) /\S* HTTP/1\.1\r\nhost: api\.plt\.local\r\n")


def play(scene: Any, steps: list[tuple[str, bytes]]) -> None:
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    slow = False
    for actor, data in steps:
        services = scene.upstreams.services
        open_services = [each for each in services if not each.transport.closing]
        match actor:
            case "client" if not transport.closing and transport.reading and data:
                client.data_received(data)
            case "service" if open_services and open_services[-1].transport.reading and data:
                open_services[-1].send(data)
            case "service closes" if open_services:
                open_services[-1].close()
            case "client closes" if not transport.closing:
                client.eof_received()
                transport.close()
            case "dial" if scene.upstreams.dialing:
                scene.upstreams.open()
            case "fail" if scene.upstreams.dialing:
                scene.upstreams.fail(ServiceUnavailable("none"))
            case "client slow" if not transport.closing and not slow:
                client.pause_writing()
                slow = True
            case "client fast" if not transport.closing and slow:
                client.resume_writing()
                slow = False
            case "turn":
                scene.fair_queue.give_one()
            case "all turns":
                scene.fair_queue.give_all()
            case "time":
                scene.pass_time(1)
            case "long time":
                scene.pass_time(100)
            case _:
                pass
        if client.state in (READING, WAITING):
            assert (
                len(
                    [
                        each
                        for each in services
                        if not each.transport.closing and each.connection not in scene.upstreams.idle
                    ]
                )
                <= 1
            )
    if slow and not transport.closing:
        client.resume_writing()
    for each in scene.upstreams.services:
        if not each.transport.closing:
            each.connection.resume_writing()
    scene.fair_queue.give_all()
    if client.state is READING and not transport.closing:
        assert not client._held  # nothing waits for something that does not come
        assert transport.reading or scene.upstreams.dialing


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(steps=st.lists(STEPS, max_size=25))
def test_no_sequence_of_events_breaks_the_gateway(
    make_scene: Callable[..., Any], steps: list[tuple[str, bytes]]
) -> None:
    play(make_scene(), steps)


@settings(max_examples=400, suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(pieces=st.lists(CLIENT_PIECES, max_size=20))
def test_a_service_never_gets_more_requests_than_were_sent(make_scene: Callable[..., Any], pieces: list[bytes]) -> None:
    scene = make_scene()
    client, transport = scene.connect()
    sent = b""
    for piece in pieces:
        if transport.closing or not piece:
            continue
        sent += piece
        client.data_received(piece)
        scene.fair_queue.give_all()
        for service in scene.upstreams.services:
            if service.transport.closing or service.connection in scene.upstreams.idle:
                continue
            service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok")
    received = b"".join(service.received() for service in scene.upstreams.services)
    heads = len(REQUEST_LINE.findall(received))
    assert heads <= len(re.findall(rb"(?:GET|POST|HEAD) /api\S* HTTP/1\.[01]\r\n", sent))
    assert b"pgrade: h2c" not in received
    # Every answer is one of a request's, or the refusal that ends the connection.
    answers = transport.take().count(b"HTTP/1.1 ")
    assert answers <= len(re.findall(rb"(?:GET|POST|HEAD) /\S* HTTP/1\.[01]\r\n", sent)) * 2 + 1
