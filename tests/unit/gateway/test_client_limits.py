"""The gateway's limits for clients, and its stop."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt.http.server.state import CLOSED, LINGERING

Scene = Any  # conftest's; importing it would load it twice
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"

SMUGGLING = [
    b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nG",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 4\r\n\r\n5c\r\nGPOST /",
    b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 6\r\nContent-Length: 5\r\n\r\n12345G",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding : chunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\x0bchunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nX: a\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nX: a\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding:\r\n chunked\r\n\r\n0\r\n\r\n",
    b"POST /api HTTP/1.0\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    b"GET /api HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
    b"GET /api HTTP/1.1\r\n\r\n",
    b"GET http://a/api HTTP/1.1\r\n\r\n",
    b"GET /api HTTP/1.1\r\nHost: a b\r\n\r\n",
    b"CONNECT a:80 HTTP/1.1\r\nHost: a\r\n\r\n",
    b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    b"GET /api HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\r\n",
]


@pytest.mark.parametrize("data", SMUGGLING)
def test_smuggling_is_refused_and_nothing_behind_it_is_read(scene: Scene, data: bytes) -> None:
    client, transport = scene.connect()
    client.data_received(data + GET)
    written = transport.take()
    assert written.startswith(b"HTTP/1.1 4")
    assert b"connection: close\r\n" in written
    assert b'"statusCode":4' in written
    assert client.state is LINGERING
    assert transport.ended
    client.data_received(GET)
    assert scene.upstreams.services == []


def test_bad_chunk_in_the_middle_of_a_body_breaks_off_the_service(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    client.data_received(b"zz\r\n")
    assert scene.service.transport.aborted
    assert transport.take().startswith(b"HTTP/1.1 400 Bad Request\r\n")
    assert client.state is LINGERING


@pytest.mark.parametrize(
    ("data", "seconds", "status"),
    [
        (b"", 31, b""),
        (b"GET / HT", 31, b"408 Request Timeout"),
        (b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 9\r\n\r\na", 61, b"408 Request Timeout"),
        (GET, 301, b"504 Gateway Timeout"),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", 76, b""),
    ],
)
def test_limits_on_time(scene: Scene, data: bytes, seconds: float, status: bytes) -> None:
    client, transport = scene.connect()
    if data:
        client.data_received(data)
    scene.pass_time(seconds - 2)
    if not status:
        transport.take()
    assert (transport.take(), transport.closing) == (b"", False)
    scene.pass_time(2)
    if status:
        assert transport.take().startswith(b"HTTP/1.1 " + status)
    else:
        assert (transport.take(), transport.closing) == (b"", True)


def test_a_head_that_comes_drop_by_drop_runs_out_of_time(scene: Scene) -> None:
    client, transport = scene.connect()
    for byte in GET[:32]:
        client.data_received(bytes((byte,)))
        scene.pass_time(1)
    assert transport.take().startswith(b"HTTP/1.1 408 Request Timeout\r\n")


def test_a_client_that_takes_nothing_is_dropped(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 99\r\n\r\na")
    client.pause_writing()
    scene.pass_time(61)
    assert transport.aborted
    assert scene.service.transport.aborted


def test_a_response_may_be_silent_for_long(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    scene.pass_time(3600)
    assert not transport.closing
    assert client.state is not CLOSED
