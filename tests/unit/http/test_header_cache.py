"""A cached header block has its original meaning: no verdict depends on earlier requests."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.errors import BadResponse
from pywatt.http import response_reader
from pywatt.http.header_cache import BLOCK_SIZE, BLOCKS, HeaderCache
from pywatt.http.headers import is_forwarded
from pywatt.http.limits import HeadLimits
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import Dropped, RequestReader, _known_fields, _traced_fields
from pywatt.http.response_reader import ResponseReader

LIMITS = HeadLimits(size=600, fields=6)

METHODS = st.sampled_from([b"GET", b"HEAD", b"POST", b"PUT", b"DELETE", b"OPTIONS", b"CONNECT", b"get", b"PURGE", b""])
TARGETS = st.one_of(
    st.sampled_from(
        [b"/", b"/a/b?c=d", b"*", b"http://other/x", b"/../x", b"/%41", b"/%zz", b"//x", b"/a#b", b"x", b"/a b"]
    ),
    st.binary(max_size=6).map(lambda tail: b"/" + tail),
    st.just(b"/" + b"x" * 590),
)
VERSIONS = st.sampled_from([b"HTTP/1.1", b"HTTP/1.0", b"HTTP/2.0", b"HTTP/1.10", b""])
FIELDS = st.sampled_from(
    [
        b"Host: a",
        b"Host: b:80",
        b"Host: bad host",
        b"Content-Length: 0",
        b"Content-Length: 3",
        b"Content-Length: x",
        b"Transfer-Encoding: chunked",
        b"Connection: keep-alive",
        b"Connection: close",
        b"Connection: Upgrade, X",
        b"Upgrade: websocket",
        b"Expect: 100-continue",
        b"Content_Length: 4",
        b"X: y",
        b"X-Forwarded-For: 1.2.3.4",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902\0b-02",
        b"traceparent: 00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902\nX: y ",
        b"Bad Name: y",
        b"X:y ",
        b"",
    ]
)
REQUESTS = st.builds(
    lambda before, method, target, version, fields, body: (
        before
        + b" ".join((method, target, version))
        + b"\r\n"
        + b"".join(field + b"\r\n" for field in fields)
        + b"\r\n"
        + body
    ),
    st.sampled_from([b"", b"", b"", b"\r\n"]),
    METHODS,
    TARGETS,
    VERSIONS,
    st.lists(FIELDS, max_size=4),
    st.sampled_from([b"", b"abc", b"3\r\nabc\r\n0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: z\r\n\r\n"]),
)
PLAIN_REQUESTS = st.builds(
    lambda method, target, fields, body: b"%b %b HTTP/1.1\r\nHost: a\r\n%b\r\n%b" % (method, target, fields, body),
    METHODS,
    TARGETS,
    st.sampled_from([b"", b"X: y\r\n", b"Content-Length: 3\r\n"]),
    st.sampled_from([b"", b"abc", b"abcdef"]),
)


def request_of(data: bytes, dropped: Dropped | None) -> object:
    reader = RequestReader(LIMITS, dropped=dropped)
    try:
        rest = reader.feed(data)
    except RequestError as error:
        return error.status, error.message
    return reader.head, reader.take_body(), reader.complete, rest


@given(st.lists(st.one_of(REQUESTS, PLAIN_REQUESTS), min_size=2, max_size=6), st.sampled_from([None, is_forwarded]))
def test_a_request_is_read_as_if_it_were_the_first(requests: list[bytes], dropped: Dropped | None) -> None:
    known, traced = _known_fields(LIMITS, dropped), _traced_fields(LIMITS, dropped)
    alone = []
    for request in requests:
        known.clear()
        traced.clear()
        alone.append(request_of(request, dropped))
    known.clear()
    traced.clear()
    assert [request_of(request, dropped) for request in requests + requests] == alone + alone


def test_the_same_fields_are_read_once() -> None:
    known = _known_fields(LIMITS, None)
    known.clear()
    for target in (b"/one", b"/two?x=y"):
        reader = RequestReader(LIMITS)
        assert reader.feed(b"GET " + target + b" HTTP/1.1\r\nHost: a\r\nX: y\r\n\r\n") == b""
        assert reader.head is not None
        assert reader.head.target == target
    assert list(known) == [b"\r\nHost: a\r\nX: y"]


TRACES = [b"00-4bf92f3577b34da6a3ce929d0e0e4736-%016x-01" % number for number in (1, 2)]


def test_fields_that_differ_in_the_last_traceparent_alone_are_read_once() -> None:
    known, traced = _known_fields(LIMITS, None), _traced_fields(LIMITS, None)
    known.clear()
    traced.clear()
    for trace in TRACES:
        reader = RequestReader(LIMITS)
        assert reader.feed(b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\ntraceparent: " + trace + b"\r\n\r\n") == b""
        assert reader.head is not None
        assert reader.head.headers == [(b"X", b"y"), (b"traceparent", trace)]
    assert (list(known), list(traced)) == ([], [b"\r\nHost: a\r\nX: y"])
    assert traced[b"\r\nHost: a\r\nX: y"].passed == [(b"X", b"y")]


STATUS_LINES = st.sampled_from(
    [
        b"HTTP/1.1 200 OK",
        b"HTTP/1.1 204 No Content",
        b"HTTP/1.1 304 N",
        b"HTTP/1.0 200 OK",
        b"HTTP/1.1 100 C",
        b"HTTP/1.1 101 S",
    ]
)
ANSWER_FIELDS = st.sampled_from(
    [
        b"Content-Length: 0",
        b"Content-Length: 2",
        b"Transfer-Encoding: chunked",
        b"Connection: close",
        b"Connection: X",
        b"Date: now",
        b"Upgrade: websocket",
        b"X: y",
        b"Bad Name: y",
    ]
)
ANSWERS = st.builds(
    lambda line, fields, body: line + b"\r\n" + b"".join(field + b"\r\n" for field in fields) + b"\r\n" + body,
    STATUS_LINES,
    st.lists(ANSWER_FIELDS, max_size=3),
    st.sampled_from([b"", b"ab", b"abc", b"2\r\nab\r\n0\r\n\r\n", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"]),
)


def response_of(data: bytes, to_head: bool, upgradable: bool, cut: int) -> object:
    reader = ResponseReader(BLOCK_SIZE)
    reader.expect(to_head=to_head, upgradable=upgradable)
    pieces = [piece for piece in (data[:cut], data[cut:]) if piece]
    whole = reader.recognise(pieces[0])
    if whole is not None and len(pieces) == 1:
        return whole[0], [], whole[1], True, False, [b""]
    try:
        rest = [reader.feed(piece) for piece in pieces]
    except BadResponse as error:
        return error.message
    return reader.head, reader.informational, reader.take_body(), reader.complete, reader.surplus, rest


@given(st.lists(st.tuples(ANSWERS, st.booleans(), st.booleans(), st.integers(0, 200)), min_size=2, max_size=6))
def test_a_response_is_read_as_if_it_were_the_first(answers: list[tuple[bytes, bool, bool, int]]) -> None:
    alone = []
    for answer in answers:
        response_reader._known_heads.clear()
        alone.append(response_of(*answer))
    response_reader._known_heads.clear()
    assert [response_of(*answer) for answer in answers + answers] == alone + alone


def test_the_same_head_is_read_once() -> None:
    response_reader._known_heads.clear()
    head = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n"
    reader = ResponseReader(BLOCK_SIZE)
    assert reader.recognise(head + b"ab") is None
    reader.feed(head + b"ab")
    assert (reader.complete, reader.take_body()) == (True, b"ab")
    reader.expect(to_head=False, upgradable=False)
    assert reader.recognise(head + b"cd") == (response_reader._known_heads[head], b"cd")
    assert reader.recognise(head + b"c") is None
    assert list(response_reader._known_heads) == [head]


@pytest.mark.parametrize(("size", "kept"), [(BLOCK_SIZE, 1), (BLOCK_SIZE + 1, 0)])
def test_long_blocks_are_not_kept(size: int, kept: int) -> None:
    cache: HeaderCache[int] = HeaderCache()
    cache.store(b"x" * size, 1)
    assert len(cache) == kept


def test_the_number_of_blocks_is_bounded() -> None:
    cache: HeaderCache[int] = HeaderCache()
    for number in range(3 * BLOCKS):
        cache.store(b"%d" % number, number)
        assert len(cache) <= BLOCKS
