"""The parts of a request's head that are passed on, and their meaning."""

from __future__ import annotations

import pytest

from pywatt.http.headers import is_forwarded
from pywatt.http.limits import HeadLimits
from pywatt.http.request import RequestHead
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.target import split_target
from pywatt.http.websocket import accepts, handshake_key


def head_of(*lines: bytes) -> RequestHead:
    reader = RequestReader(HeadLimits(), dropped=is_forwarded)
    reader.feed(b"\r\n".join((*lines, b"", b"")))
    assert reader.head is not None
    return reader.head


def test_fields_of_the_connection_are_not_passed_on() -> None:
    head = head_of(
        b"GET / HTTP/1.1",
        b"Host: a",
        b"Connection: keep-alive, X-Private , close",
        b"X-Private: 1",
        b"Keep-Alive: timeout=5",
        b"TE: trailers",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"Proxy-Authorization: x",
        b"Proxy-Connection: x",
        b"Proxy: http://evil",
        b"X-Kept:  yes \t",
        b"x-kept: again",
    )
    assert head.headers == [(b"X-Kept", b"yes"), (b"x-kept", b"again")]
    assert not head.keep_alive


def test_names_that_differ_by_underscores_only_are_not_passed_on() -> None:
    head = head_of(
        b"POST / HTTP/1.1",
        b"Host: a",
        b"Transfer_Encoding: chunked",
        b"Content_Length: 5",
        b"X_Forwarded_For: 1.2.3.4",
        b"X_Other: kept",
    )
    assert head.headers == [(b"X_Other", b"kept")]
    assert not head.has_body


def test_trailers_do_not_reach_the_head() -> None:
    reader = RequestReader(HeadLimits())
    reader.feed(
        b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nx\r\n0\r\nA: b\r\nHost: c\r\n\r\n"
    )
    assert reader.head is not None
    assert (reader.head.headers, reader.head.authority, reader.take_body()) == ([], b"a", b"x")
    reader.next()
    reader.feed(b"GET / HTTP/1.1\r\nHost: d\r\n\r\n")
    assert reader.head is not None
    assert (reader.head.headers, reader.head.authority) == ([], b"d")


def test_the_authority_of_an_absolute_target_wins() -> None:
    head = head_of(b"GET http://real.example:8080/x?y HTTP/1.1", b"Host: other.example")
    assert (head.authority, head.path, head.query) == (b"real.example:8080", b"/x", b"?y")


@pytest.mark.parametrize(
    ("version", "connection", "keep"),
    [
        (b"1.1", b"", True),
        (b"1.1", b"Close", False),
        (b"1.1", b"keep-alive, close", False),
        (b"1.0", b"", False),
        (b"1.0", b"Keep-Alive", True),
    ],
)
def test_persistence(version: bytes, connection: bytes, keep: bool) -> None:
    lines = [b"GET / HTTP/" + version, b"Host: a", *([b"Connection: " + connection] if connection else [])]
    assert head_of(*lines).keep_alive is keep


def test_only_a_bodyless_get_upgrades_and_only_to_a_websocket() -> None:
    upgrade = (b"Host: a", b"Connection: Upgrade", b"Upgrade: WebSocket")
    assert head_of(b"GET / HTTP/1.1", *upgrade).websocket
    assert not head_of(b"POST / HTTP/1.1", *upgrade).websocket
    assert not head_of(b"GET / HTTP/1.0", *upgrade).websocket
    assert not head_of(b"GET / HTTP/1.1", *upgrade, b"Content-Length: 3").websocket
    assert not head_of(b"GET / HTTP/1.1", b"Host: a", b"Upgrade: websocket").websocket
    assert not head_of(b"GET / HTTP/1.1", b"Host: a", b"Connection: upgrade", b"Upgrade: websocket, h2c").websocket


def test_expectation_needs_a_body() -> None:
    assert head_of(b"PUT / HTTP/1.1", b"Host: a", b"Expect: 100-continue", b"Content-Length: 1").expects_continue
    assert not head_of(b"PUT / HTTP/1.1", b"Host: a", b"Expect: 100-continue").expects_continue
    assert not head_of(b"PUT / HTTP/1.0", b"Host: a", b"Expect: 100-continue", b"Content-Length: 1").expects_continue


@pytest.mark.parametrize(
    ("target", "path", "query"),
    [
        (b"/", b"/", b""),
        (b"/a/b?c=d", b"/a/b", b"?c=d"),
        (b"/a//b/", b"/a//b/", b""),
        (b"//a/b", b"/a/b", b""),
        (b"/a/./b/../c", b"/a/c", b""),
        (b"/a/%2e%2E/b", b"/b", b""),
        (b"/../../a", b"/a", b""),
        (b"/a/..", b"/", b""),
        (b"/a/b/.", b"/a/b/", b""),
        (b"/%61%2f%c3%a4", b"/a%2F%C3%A4", b""),
        (b"/a/..//b", b"/b", b""),
        (b"/a%2e%2e/b", b"/a../b", b""),
        (b"/?a=/../b", b"/", b"?a=/../b"),
        (b"/a[b]|c", b"/a%5Bb%5D%7Cc", b""),
        (b'/"^`{<>}', b"/%22%5E%60%7B%3C%3E%7D", b""),
        (b"/a\\..\\b/../c", b"/c", b""),
        (b"/a\\..\\b", b"/a%5C..%5Cb", b""),
        ("/ä/日".encode(), b"/%C3%A4/%E6%97%A5", b""),
        (b"/\xff%ff", b"/%FF%FF", b""),
        (b"/[%5b", b"/%5B%5B", b""),
        (b"/?a[b]|^`{}'", b"/", b"?a[b]|^`{}'"),
        (b'/?"<>\\', b"/", b"?%22%3C%3E%5C"),
        ("/?ä=100%".encode(), b"/", b"?%C3%A4=100%"),
        (b"/??/\xe4", b"/", b"??/%E4"),
        (b"HTTP://h", b"/", b""),
        ("http://h/ä?ö".encode(), b"/%C3%A4", b"?%C3%B6"),
        (b"http://h?x", b"/", b"?x"),
    ],
)
def test_normal_form_of_targets(target: bytes, path: bytes, query: bytes) -> None:
    assert split_target(b"GET", target)[:2] == (path, query)


KEY = b"dGhlIHNhbXBsZSBub25jZQ=="


def test_handshake_of_a_websocket() -> None:
    good = [(b"Sec-WebSocket-Version", b"13"), (b"sec-websocket-key", KEY)]
    assert handshake_key(good) == KEY
    assert accepts(KEY, [(b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")])
    assert not accepts(KEY, [(b"Sec-WebSocket-Accept", b"s3pPLMBiTxaQ9kYGzzhZRbK+xOO=")])
    assert not accepts(KEY, [])


@pytest.mark.parametrize(
    ("version", "keys", "status"),
    [(b"8", [KEY], 426), (b"13", [], 400), (b"13", [KEY, KEY], 400), (b"13", [b"abc"], 400), (b"13", [b"YWJj"], 400)],
)
def test_wrong_handshakes_are_refused(version: bytes, keys: list[bytes], status: int) -> None:
    headers = [(b"Sec-WebSocket-Version", version), *((b"Sec-WebSocket-Key", key) for key in keys)]
    with pytest.raises(RequestError) as caught:
        handshake_key(headers)
    assert caught.value.status == status
