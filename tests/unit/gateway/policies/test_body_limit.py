"""The size of a request's body."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

Scene = Any
HEAD = b"POST /api HTTP/1.1\r\nHost: x\r\n"


@pytest.fixture
def limited(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene({"gateway": {"applications": [{"id": "api", "proxy": {"bodyLimit": 4}}]}})


@pytest.mark.parametrize(
    "request_",
    [
        HEAD + b"Content-Length: 5\r\n\r\n",
        HEAD + b"Content-Length: 5\r\nExpect: 100-continue\r\n\r\n",
        HEAD + b"Content-Length: 5\r\n\r\nabcde",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n5\r\nabcde\r\n0\r\n\r\n",
        HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n3\r\nabc\r\n",
    ],
)
def test_a_body_above_the_limit_does_not_reach_the_service(limited: Scene, request_: bytes) -> None:
    client, transport = limited.connect()
    client.data_received(request_)
    assert transport.take().startswith(b"HTTP/1.1 413 Content Too Large\r\n") or transport.take() == b""
    assert not limited.upstreams.services


@pytest.mark.parametrize(
    "framing", [b"Content-Length: 4\r\n\r\nabcd", b"Transfer-Encoding: chunked\r\n\r\n4\r\nabcd\r\n0\r\n\r\n"]
)
def test_a_body_of_the_limit_passes(limited: Scene, framing: bytes) -> None:
    client, _ = limited.connect()
    client.data_received(HEAD + framing)
    assert limited.service.received().endswith(b"abcd")


def test_chunks_are_counted(limited: Scene) -> None:
    client, transport = limited.connect()
    client.data_received(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    assert limited.service.received().endswith(b"3\r\nabc\r\n")
    client.data_received(b"2\r\nde\r\n")
    response = transport.take()
    assert response.startswith(b"HTTP/1.1 413 ")
    assert b"connection: close\r\n" in response
    # The service sees that its request breaks off.
    assert limited.service.transport.closing
    assert limited.service.received() == b""


def test_a_response_that_has_begun_breaks_off(limited: Scene) -> None:
    client, transport = limited.connect()
    client.data_received(HEAD + b"Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n")
    limited.service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nab")
    client.data_received(b"2\r\nde\r\n")
    assert transport.aborted
    assert limited.service.transport.closing
