"""The ends of responses, and responses that are rejected."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.errors import BadResponse
from pywatt.http.response_reader import ResponseHead, ResponseReader


def read(data: bytes, *, to_head: bool = False, upgradable: bool = False) -> tuple[ResponseReader, bytes]:
    reader = ResponseReader(1024)
    reader.expect(to_head=to_head, upgradable=upgradable)
    return reader, reader.feed(data)


def head_of(reader: ResponseReader) -> ResponseHead:
    assert reader.head is not None
    return reader.head


@pytest.mark.parametrize(
    ("data", "to_head", "complete", "body", "keep_alive"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", False, True, b"ab", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nab", False, False, b"ab", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n", False, True, b"ab", True),
        (b"HTTP/1.1 200 OK\r\n\r\nab", False, False, b"ab", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nab", False, True, b"ab", False),
        (b"HTTP/1.0 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive\r\n\r\nab", False, True, b"ab", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nab", False, True, b"ab", False),
        (b"HTTP/1.1 204 No Content\r\n\r\n", False, True, b"", True),
        (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9\r\n\r\n", False, True, b"", True),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", True, True, b"", True),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", True, True, b"", True),
    ],
)
def test_end_of_a_response(data: bytes, to_head: bool, complete: bool, body: bytes, keep_alive: bool) -> None:
    reader, _ = read(data, to_head=to_head)
    found = (reader.complete, reader.take_body(), head_of(reader).keep_alive, reader.surplus)
    assert found == (complete, body, keep_alive, False)


@pytest.mark.parametrize(
    ("data", "to_head"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabX", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 2", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nabHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", False),
        (b"HTTP/1.1 204 No Content\r\n\r\nX", False),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nab", True),
    ],
)
def test_bytes_behind_a_response_spoil_the_connection(data: bytes, to_head: bool) -> None:
    reader, _ = read(data, to_head=to_head)
    assert (reader.complete, reader.surplus) == (True, True)
    assert head_of(reader).status in (200, 204)


@pytest.mark.parametrize(
    "data",
    [
        b"hello\r\n",
        b"HTTP/2.0 200 OK\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 099 Low\r\nContent-Length: 0\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nTransfer-Encoding: chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n",
        b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000,
        b"HTTP/1.1 103 Early Hints\r\n\r\n" * 33,
    ],
)
def test_what_is_not_a_response(data: bytes) -> None:
    with pytest.raises(BadResponse):
        read(data)


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200),
        (b"HTTP/1.1 200\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nab", 200),
        (b"HTTP/1.1 200 OK\nContent-Length: 2\r\n\r\nab", 200),
        (b"HTTP/1.1 503\nContent-Length: 2\n\nab", 503),
        (b"HTTP/1.0 204 \nX\n\n", 204),
        (b"HTTP/1.1 201 Created\r\nBad Name: 1\r\n\r\n", 201),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz", 200),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\n", 200),
        (b"HTTP/1.1 200 OK\r\nX: " + b"a" * 2000, 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\n\n", 200),
        (b"HTTP/1.1 103 Hints\r\nA: b\r\n\r\nJUNK", None),
        (b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n", None),
        (b"HTTP/1.1 200x OK\r\n\r\n", None),
        (b"HTTP/1.1 2000 OK\r\n\r\n", None),
        (b"HTTP/1.1 20 OK\r\n\r\n", None),
        (b"HTTP/2.0 200 OK\r\n\r\n", None),
        (b"hello HTTP/1.1 200 OK\r\n", None),
    ],
)
@pytest.mark.parametrize("cut", [0, 3, 12, 17, 30])
def test_status_of_a_bad_response_is_known_if_its_status_line_is(data: bytes, status: int | None, cut: int) -> None:
    reader = ResponseReader(1024)
    pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
    last = _first_refused(reader, pieces)
    assert reader.status_of_bad(last) == status


def _first_refused(reader: ResponseReader, pieces: list[bytes]) -> bytes:
    for piece in pieces:
        try:
            reader.feed(piece)
        except BadResponse:
            return piece
    raise AssertionError("it was taken")


def test_informational_responses_come_before_the_response() -> None:
    reader, _ = read(b"HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert [(head.status, head.headers) for head in reader.informational] == [(103, [(b"Link", b"x")])]
    assert (head_of(reader).status, head_of(reader).headers) == (200, [])


def test_upgrade_returns_what_follows() -> None:
    head = b"HTTP/1.1 101 Switching\r\nConnection: upgrade\r\nUpgrade: WebSocket\r\n\r\n"
    reader, rest = read(head + b"raw", upgradable=True)
    assert (head_of(reader).upgrade, rest) == ((b"websocket",), b"raw")
    with pytest.raises(BadResponse):
        read(b"HTTP/1.1 101 Switching\r\n\r\n", upgradable=True)


def test_connection_fields_are_not_passed_on_and_trailers_never_seen() -> None:
    reader, _ = read(
        b"HTTP/1.1 200 OK\r\nConnection: X-A\r\nX-A: 1\r\nKeep-Alive: 5\r\nX-B: 2\r\nDate: now\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\nX-C: 3\r\nSet-Cookie: 5\r\n\r\n"
    )
    assert head_of(reader).headers == [(b"X-B", b"2"), (b"Date", b"now")]
    assert head_of(reader).dated
    reader.expect(to_head=False, upgradable=False)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert (head_of(reader).headers, head_of(reader).dated, reader.complete) == ([], False, True)


def test_a_response_after_one_to_head_is_read_from_its_start() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\n", to_head=True)
    reader.expect(to_head=False, upgradable=False)
    reader.feed(b"HTTP/1.1 201 Created\r\nContent-Length: 1\r\n\r\nx")
    assert (head_of(reader).status, reader.complete, reader.take_body()) == (201, True, b"x")


@given(st.binary(max_size=300), st.booleans())
def test_any_bytes_are_read_or_refused(data: bytes, to_head: bool) -> None:
    try:
        read(b"HTTP/1.1 2" + data, to_head=to_head)
    except BadResponse:
        return


def test_informational_responses_without_number_are_an_error() -> None:
    reader, _ = read(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 31)
    reader.feed(b"HTTP/1.1 100 Continue\r\n\r\n")
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n")
    assert reader.complete
    reader.expect(to_head=False, upgradable=False)
    reader.feed(b"HTTP/1.1 103 Early Hints\r\n\r\n" * 32)
    with pytest.raises(BadResponse):
        reader.feed(b"HTTP/1.1 102 Processing\r\n\r\n")


@pytest.mark.parametrize("again", [b"X: yyyyyy\r\n", b"yyyyyyyyyy"])
def test_trailers_without_end_are_an_error(again: bytes) -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\nX: ")
    reader.take_body()
    for _ in range(1024 // len(again)):
        reader.feed(again)
    with pytest.raises(BadResponse):
        reader.feed(again)


def test_many_trailers_are_an_error_and_a_few_are_none_of_the_next_response() -> None:
    chunked = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n"
    with pytest.raises(BadResponse):
        read(chunked + b"a: b\r\n" * 130)
    reader, _ = read(chunked + b"a: b\r\nDate: now\r\nTE: c\r\n\r\n")
    assert reader.complete
    reader.expect(to_head=False, upgradable=False)
    reader.feed(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\nX: y\r\n\r\n")
    assert (head_of(reader).headers, head_of(reader).dated) == ([(b"X", b"y")], False)


def test_a_long_body_in_small_chunks_is_no_trailer() -> None:
    reader, _ = read(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(1024):
        reader.feed(b"1;x=y\r\n")
        reader.feed(b"a\r\n")
        assert reader.take_body() == b"a"
    reader.feed(b"0\r\n\r\n")
    assert reader.complete
