"""Responses in HTTP/1.1 in parts, however they are cut."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import LAST_CHUNK, Header, chunk
from pywatt.http.http2.response_parts import ResponseParts


class Seen:
    def __init__(self, *, to_head: bool = False) -> None:
        self.heads: list[tuple[int, list[Header]]] = []
        self.body = b""
        self.ends = 0
        self.parts = ResponseParts(self, to_head=to_head)

    def on_head(self, status: int, headers: list[Header]) -> None:
        self.heads.append((status, headers))

    def on_piece(self, data: bytes) -> None:
        self.body += data

    def on_end(self) -> None:
        self.ends += 1


def test_a_sized_response_without_the_fields_of_connections() -> None:
    seen = Seen()
    seen.parts.feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\nX: y\r\nContent-Length: 2\r\n\r\nab")
    assert seen.heads == [(200, [(b"x", b"y"), (b"content-length", b"2")])]
    assert (seen.body, seen.ends) == (b"ab", 1)


def test_informational_responses_come_before() -> None:
    seen = Seen()
    seen.parts.feed(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n")
    assert [status for status, _ in seen.heads] == [100, 204]
    assert seen.ends == 1


def test_responses_without_a_body() -> None:
    seen = Seen(to_head=True)
    seen.parts.feed(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\n")
    assert (seen.ends, seen.heads[0][1]) == (1, [(b"content-length", b"5")])
    seen = Seen()
    seen.parts.feed(b"HTTP/1.1 304 Not Modified\r\ncontent-length: 5\r\n\r\n")
    assert seen.ends == 1


def test_a_tunnel_stays_open() -> None:
    seen = Seen()
    seen.parts.feed(
        b"HTTP/1.1 101 Switching Protocols\r\nupgrade: websocket\r\nsec-websocket-accept: x\r\n"
        b"sec-websocket-protocol: p\r\n\r\nraw"
    )
    assert seen.heads == [(101, [(b"sec-websocket-protocol", b"p")])]
    assert (seen.body, seen.ends) == (b"raw", 0)
    assert seen.parts.close()


def test_a_response_that_is_cut_off_is_told() -> None:
    for data in (b"", b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nab", b"HTTP/1.1 200 OK\r\ntransfer-enc"):
        seen = Seen()
        seen.parts.feed(data)
        assert not seen.parts.close()
        assert seen.ends == 0


@pytest.mark.parametrize("data", [b"garbage\r\n\r\n", b"HTTP/1.1 200 OK\r\nno colon\r\n\r\n", b"x" * 300_000])
def test_what_is_no_response(data: bytes) -> None:
    with pytest.raises(ValueError, match=r".*"):
        Seen().parts.feed(data)


@given(
    body=st.lists(st.binary(min_size=1, max_size=30), max_size=6),
    cuts=st.lists(st.integers(1, 20), max_size=60),
    chunked=st.booleans(),
)
def test_any_cut_gives_the_same(body: list[bytes], cuts: list[int], chunked: bool) -> None:
    whole = b"".join(body)
    if chunked:
        data = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"".join(map(chunk, body)) + LAST_CHUNK
    else:
        data = b"HTTP/1.1 200 OK\r\ncontent-length: %d\r\n\r\n%b" % (len(whole), whole)
    seen = Seen()
    for size in cuts:
        seen.parts.feed(data[:size])
        data = data[size:]
    seen.parts.feed(data)
    assert (seen.body, seen.ends, len(seen.heads)) == (whole, 1, 1)
