"""Request targets of browsers and curl, in the form that routing and services get."""

from __future__ import annotations

import re
from urllib.parse import unquote_to_bytes

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.limits import HeadLimits
from pywatt.http.request_error import RequestError
from pywatt.http.request_reader import RequestReader
from pywatt.http.target import encode_target, split_target

REFUSED = frozenset(range(0x21)) | frozenset(b"\x7f#")
RFC_PATH = re.compile(rb"/(?:[A-Za-z0-9._~!$&'()*+,;=:@/-]|%[0-9A-F]{2})*")
QUERY = re.compile(rb"\?[\x21\x24-\x3b=\x3f-\x5b\x5d-\x7e]*")
"""Characters that the URL Standard does not encode in a query; the hash mark ends it."""
# https://url.spec.whatwg.org/#path-percent-encode-set
PATH_SET = frozenset(b'"<>^`{}') | frozenset(range(0x80, 0x100))
QUERY_SET = frozenset(b'"<>') | frozenset(range(0x80, 0x100))

TEXT = st.binary(max_size=20).map(lambda text: bytes(byte for byte in text if byte not in REFUSED))
PATHS = TEXT.map(lambda text: b"/" + text.replace(b"?", b"").replace(b"%", b"%2e"))
QUERIES = TEXT.map(lambda text: b"?" + text)


@pytest.mark.parametrize("byte", sorted(PATH_SET | frozenset(b"[]|\\")))
def test_byte_is_encoded_in_a_path(byte: int) -> None:
    assert encode_target(b"/a%cb" % byte) == (b"/a%%%02Xb" % byte, b"")


@pytest.mark.parametrize("byte", sorted(QUERY_SET | frozenset(b"\\")))
def test_byte_is_encoded_in_a_query(byte: int) -> None:
    assert encode_target(b"/?a%cb" % byte) == (b"/", b"?a%%%02Xb" % byte)


@pytest.mark.parametrize("byte", sorted(set(range(0x100)) - REFUSED - QUERY_SET - frozenset(b"\\")))
def test_byte_stays_in_a_query(byte: int) -> None:
    assert encode_target(b"/?a%cb" % byte) == (b"/", b"?a%cb" % byte)


@pytest.mark.parametrize("byte", sorted(REFUSED))
@pytest.mark.parametrize("place", [b"/a%cb", b"/?a%cb", b"/\xc3%cb"])
def test_byte_is_refused(byte: int, place: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        split_target(b"GET", place % byte)
    assert caught.value.status == 400


@given(PATHS, QUERIES)
def test_encoding_changes_nothing_but_the_spelling(path: bytes, query: bytes) -> None:
    encoded = encode_target(path + query)
    assert RFC_PATH.fullmatch(encoded[0].replace(b"%2e", b"%2E"))
    assert QUERY.fullmatch(encoded[1])
    assert unquote_to_bytes(encoded[0]) == unquote_to_bytes(path)
    assert unquote_to_bytes(encoded[1]) == unquote_to_bytes(query)
    assert encode_target(b"".join(encoded)) == encoded


@given(PATHS, QUERIES)
def test_raw_and_encoded_targets_are_the_same_target(path: bytes, query: bytes) -> None:
    assert split_target(b"GET", path + query) == split_target(b"GET", b"".join(encode_target(path + query)))


@given(PATHS, QUERIES)
def test_a_reader_sees_what_the_rules_make_of_a_target(path: bytes, query: bytes) -> None:
    reader = RequestReader(HeadLimits())
    assert reader.feed(b"GET %b%b HTTP/1.1\r\nHost: a\r\n\r\nrest" % (path, query)) == b"rest"
    assert reader.head is not None
    assert (reader.head.path, reader.head.query, None) == split_target(b"GET", path + query)
