"""Chunked bodies."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.chunked import ChunkedReader
from pywatt.http.headers import LAST_CHUNK, chunk
from pywatt.http.request_error import RequestError


def read(pieces: list[bytes], limit: int = 100) -> tuple[bytes, bytes, bool]:
    reader = ChunkedReader(limit)
    into: list[bytes] = []
    rest = b""
    for piece in pieces:
        rest += reader.feed(piece, into)
    return b"".join(into), rest, reader.complete


@given(chunks=st.lists(st.binary(min_size=1, max_size=20)), rest=st.binary(max_size=20), data=st.data())
def test_what_was_written_is_read_however_it_is_cut(chunks: list[bytes], rest: bytes, data: st.DataObject) -> None:
    written = b"".join(map(chunk, chunks)) + LAST_CHUNK + rest
    cut = data.draw(st.integers(0, len(written)))
    assert read([written[:cut], written[cut:]]) == (b"".join(chunks), rest, True)


@pytest.mark.parametrize(
    "body",
    [
        b"\r\n",
        b"g\r\n",
        b"-1\r\n",
        b"+1\r\n",
        b"0x1\r\n",
        b"1 \r\n",
        b" 1\r\n",
        b"1\n",
        b"1\r\r\n",
        b"1;a\rb\r\n",
        b"1;a\x00\r\n",
        b"1;a\n",
        b"1_0\r\n",
        b"1" * 16 + b"\r\n",
        b"1\r\nab\r\n",
        b"1\r\na\n",
        b"1\r\na0\r\n",
        b"1\r\na\r\r\n",
        b"0\r\n \r\n",
        b"0\r\nX y: z\r\n",
        b"0\r\nX\r\n",
        b"0\r\nX: a\rb\r\n",
        b"0\r\n\n",
        b"0\r\nX: a\r\n folded\r\n",
    ],
)
def test_wrong_bodies(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read([body])
    assert caught.value.status == 400


@pytest.mark.parametrize("body", [b"1;" + b"a" * 99, b"0\r\nX: " + b"a" * 98, b"0\r\n" + b"X: a\r\n" * 17])
def test_large_framing(body: bytes) -> None:
    with pytest.raises(RequestError) as caught:
        read([body])
    assert caught.value.status == 431


@pytest.mark.parametrize(
    "body", [b"00003;x=y;z\r\nabc\r\n0;a\r\nX: y\r\n\r\n", b"a\r\n\r\n\r\n\r\n\r\n\r\n\r\n0\r\n\r\n"]
)
def test_right_bodies(body: bytes) -> None:
    found, rest, complete = read([body[index : index + 1] for index in range(len(body))])
    assert (len(found) in (3, 10), rest, complete) == (True, b"", True)
