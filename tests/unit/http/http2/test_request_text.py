"""Requests of HTTP/2 in the form of HTTP/1.1: what one means stays what it means."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.http2.request_text import Malformed, check_trailers, request_text
from pywatt.http.limits import HeadLimits
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader

GET = [(b":method", b"GET"), (b":scheme", b"https"), (b":path", b"/a?b"), (b":authority", b"h:1")]
POST = [(b":method", b"POST"), *GET[1:]]


def head(*fields: tuple[bytes, bytes], start: list[tuple[bytes, bytes]] = GET, ended: bool = True) -> bytes:
    return request_text([*start, *fields], ended=ended, random_bytes=lambda size: b"\0" * size).head


def test_a_request() -> None:
    assert head((b"accept", b"*/*")) == b"GET /a?b HTTP/1.1\r\nhost: h:1\r\naccept: */*\r\n\r\n"


def test_cookies_are_joined() -> None:
    assert b"\r\ncookie: a=1; b=2\r\n" in head((b"cookie", b"a=1"), (b"x", b""), (b"cookie", b"b=2"))


def test_a_body_of_unknown_length_is_chunked() -> None:
    made = request_text(POST, ended=False)
    assert made.chunked
    assert b"transfer-encoding: chunked\r\n" in made.head
    assert not request_text(POST, ended=True).chunked


def test_a_body_of_known_length_is_not() -> None:
    made = request_text([*POST, (b"content-length", b"005")], ended=False)
    assert (made.chunked, made.length) == (False, 5)
    assert b"\r\ncontent-length: 5\r\n" in made.head


def test_a_websocket_becomes_an_upgrade() -> None:
    start = [(b":method", b"CONNECT"), (b":protocol", b"websocket"), *GET[1:]]
    made = head((b"sec-websocket-version", b"13"), start=start, ended=False)
    assert made.startswith(b"GET /a?b HTTP/1.1\r\nhost: h:1\r\n")
    assert b"upgrade: websocket\r\n" in made
    assert b"sec-websocket-key: AAAAAAAAAAAAAAAAAAAAAA==\r\n" in made
    assert b"transfer-encoding" not in made


def test_the_host_field_serves_without_an_authority() -> None:
    assert b"\r\nhost: x\r\n" in head((b"host", b"x"), start=GET[:3])


@pytest.mark.parametrize(
    "fields",
    [
        [(b"connection", b"close")],
        [(b"keep-alive", b"1")],
        [(b"proxy-connection", b"close")],
        [(b"transfer-encoding", b"chunked")],
        [(b"upgrade", b"websocket")],
        [(b"te", b"gzip")],
        [(b"host", b"other")],
        [(b"content-length", b"1")],
        [(b"content-length", b"0"), (b"content-length", b"0")],
        [(b"content-length", b"+0")],
        [(b"content-length", b"0, 0")],
        [(b"X-Upper", b"1")],
        [(b"a b", b"1")],
        [(b"a:b", b"1")],
        [(b"a\r\nb", b"1")],
        [(b"", b"1")],
        [(b"a", b"1\r\nevil: 1")],
        [(b"a", b"1\n2")],
        [(b"a", b"1\x00")],
        [(b"a", b" 1")],
        [(b"a", b"1\t")],
        [(b":path", b"/again")],
        [(b":status", b"200")],
        [(b":protocol", b"websocket")],
        [(b"x", b"1"), (b":path", b"/late")],
    ],
)
def test_what_http_1_would_read_otherwise_is_refused(fields: list[tuple[bytes, bytes]]) -> None:
    with pytest.raises(Malformed):
        request_text([*GET, *fields], ended=True)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        (b":method", b"GET /evil HTTP/1.1\r\nx:"),
        (b":method", b""),
        (b":path", b""),
        (b":path", b"/a b"),
        (b":path", b"/a\r\nx: y"),
        (b":path", b"http://evil/"),
        (b":path", b"a"),
        (b":scheme", b"ftp"),
        (b":authority", b"h\r\nx: y"),
    ],
)
def test_pseudo_header_fields_cannot_break_out(name: bytes, value: bytes) -> None:
    with pytest.raises(Malformed):
        request_text([(each, value if each == name else old) for each, old in GET], ended=True)


@pytest.mark.parametrize("missing", [b":method", b":scheme", b":path"])
def test_missing_pseudo_header_fields(missing: bytes) -> None:
    with pytest.raises(Malformed):
        request_text([each for each in GET if each[0] != missing], ended=True)


def test_trailers_have_no_pseudo_header_fields() -> None:
    check_trailers([(b"x", b"1")])
    with pytest.raises(Malformed):
        check_trailers([(b":path", b"/")])


NAMES = st.one_of(
    st.sampled_from([b":method", b":path", b":scheme", b":authority", b":protocol", b"host", b"content-length"]),
    st.sampled_from([b"transfer-encoding", b"connection", b"cookie", b"te", b"expect", b"x"]),
    st.binary(max_size=8),
)
VALUES = st.one_of(st.sampled_from([b"GET", b"POST", b"/", b"/x", b"https", b"a", b"5", b"0"]), st.binary(max_size=12))


@given(
    fields=st.lists(st.tuples(NAMES, VALUES), max_size=12), start=st.sampled_from([[], GET, POST]), ended=st.booleans()
)
def test_the_reader_sees_one_request_and_one_only(
    fields: list[tuple[bytes, bytes]], start: list[tuple[bytes, bytes]], ended: bool
) -> None:
    try:
        made = request_text([*start, *fields], ended=ended)
    except Malformed:
        return
    reader = RequestReader(HeadLimits())
    try:
        rest = reader.feed(made.head)
    except RequestError:
        return
    assert rest == b""
    assert reader.head is not None
    assert reader.head.method == made.method
    assert reader.head.chunked is made.chunked
    assert reader.head.content_length == (made.length or 0)
    assert reader.complete is (not made.chunked and not made.length)
