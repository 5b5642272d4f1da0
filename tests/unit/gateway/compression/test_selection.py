"""Which responses are compressed, in which coding, and their headers."""

from __future__ import annotations

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.compression.options import (
    TYPES,
    CompressionOptions,
    available,
    compression_options,
    requirements,
)
from pywatt_services.gateway.compression.selection import Selection, choose, compressed_headers, weak, with_vary

ORDER = (b"zstd", b"br", b"gzip")
JSON = (b"content-type", b"application/json")


@pytest.mark.parametrize(
    ("accept", "coding"),
    [
        (b"", None),
        (b"gzip", b"gzip"),
        (b"gzip, deflate, br, zstd", b"zstd"),
        (b"gzip;q=1.0, br;q=0.5", b"gzip"),
        (b"GZIP ; Q=0.5", b"gzip"),
        (b"x-gzip", b"gzip"),
        (b"*", b"zstd"),
        (b"zstd;q=0, *", b"br"),
        (b"gzip;q=0", None),
        (b"gzip;q=0.000", None),
        (b"*;q=0", None),
        (b"identity;q=1, gzip;q=0.5", None),
        (b"identity;q=0.5, gzip;q=0.5", b"gzip"),
        (b"identity", None),
        (b"deflate", None),
        (b"gzip;q=2, br;q=abc", None),
        (b"gzip;level=9", b"gzip"),
        (b",,gzip,", b"gzip"),
    ],
)
def test_the_coding_that_a_client_likes_best(accept: bytes, coding: bytes | None) -> None:
    assert choose(accept, ORDER) == coding


@fuzz
@given(st.binary(max_size=60) | st.text("gzipbrstd*;q=01., ", max_size=60).map(str.encode))
def test_any_accept_encoding(accept: bytes) -> None:
    coding = choose(accept, ORDER)
    assert coding is None or coding in accept.lower() or b"*" in accept


@pytest.mark.parametrize(
    ("kind", "taken"),
    [
        (b"text/html; charset=utf-8", True),
        (b"TEXT/css", True),
        (b"application/problem+json", True),
        (b"image/svg+xml", True),
        (b"text/event-stream", True),
        (b"image/png", False),
        (b"application/zip", False),
        (b"application/octet-stream", False),
        (b"", False),
        (b"nothing", False),
    ],
)
def test_types(kind: bytes, taken: bool) -> None:
    assert Selection(TYPES, 0).takes(200, [(b"content-type", kind)], None) is taken


@pytest.mark.parametrize(
    ("status", "headers", "length", "taken"),
    [
        (200, [], 1024, True),
        (404, [], 1024, True),
        (200, [], None, True),
        (200, [], 1023, False),
        (204, [], None, False),
        (205, [], None, False),
        (206, [], 4096, False),
        (304, [], None, False),
        (101, [], None, False),
        (200, [(b"content-encoding", b"gzip")], 4096, False),
        (200, [(b"content-encoding", b"identity")], 4096, True),
        (200, [(b"cache-control", b"public, No-Transform")], 4096, False),
        (200, [(b"cache-control", b"public")], 4096, True),
    ],
)
def test_other_reasons(status: int, headers: list[tuple[bytes, bytes]], length: int | None, taken: bool) -> None:
    assert Selection(TYPES, 1024).takes(status, [JSON, *headers], length) is taken


def test_headers() -> None:
    headers = [
        JSON,
        (b"ETag", b'"a"'),
        (b"Accept-Ranges", b"bytes"),
        (b"Content-Encoding", b"identity"),
        (b"Vary", b"Origin"),
    ]
    assert compressed_headers(headers, b"br") == [
        JSON, (b"ETag", b'W/"a"'), (b"Vary", b"Origin"), (b"vary", b"Accept-Encoding"), (b"content-encoding", b"br"),
    ]  # fmt: skip
    assert compressed_headers([(b"etag", b'W/"a"'), (b"vary", b"*")], b"br") == [
        (b"etag", b'W/"a"'), (b"vary", b"*"), (b"content-encoding", b"br"),
    ]  # fmt: skip
    assert with_vary([(b"Vary", b"Origin, accept-encoding")]) == [(b"Vary", b"Origin, accept-encoding")]
    assert weak([(b"etag", b'"a"'), (b"etag", b"broken")]) == [(b"etag", b'W/"a"'), (b"etag", b"broken")]


def test_options() -> None:
    assert compression_options(None) is compression_options(False) is None
    assert compression_options(True) == CompressionOptions()
    made = compression_options({"encodings": ["gzip", "br", "gzip"], "minSize": 0, "types": ["Text/*"], "level": 9})
    assert made == CompressionOptions(encodings=("gzip", "br"), min_size=0, types=("text/*",), level=9)
    assert made is not None
    assert [(needed.module, needed.extra) for needed in requirements([made, None, made])] == [("brotli", "compression")]
    assert available(made) == ("gzip", "br")
    assert "gzip" in available(CompressionOptions())
    assert requirements([CompressionOptions()]) == ()
