"""Paths, conditions, ranges and codings of files."""

from __future__ import annotations

from email.utils import formatdate

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.local_answers.conditions import Part, Selected, selected_part
from pywatt_services.gateway.local_answers.content_types import accepted_codings, content_type
from pywatt_services.gateway.local_answers.file_path import segments

FILE = Selected(b'"abc"', 1_700_000_000, 100)
BEFORE, SAME, AFTER = (formatdate(FILE.modified + shift, usegmt=True).encode() for shift in (-1, 0, 1))
WHOLE = Part(200, 0, 100)


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ({}, WHOLE),
        ({"if-none-match": b'"abc"'}, Part(304)),
        ({"if-none-match": b'W/"abc", "x"'}, Part(304)),
        ({"if-none-match": b"*"}, Part(304)),
        ({"if-none-match": b'"x"', "if-modified-since": AFTER}, WHOLE),
        ({"if-modified-since": SAME}, Part(304)),
        ({"if-modified-since": BEFORE}, WHOLE),
        ({"if-modified-since": b"yesterday"}, WHOLE),
        ({"if-match": b'"abc"'}, WHOLE),
        ({"if-match": b'W/"abc"'}, Part(412)),
        ({"if-match": b'"x"'}, Part(412)),
        ({"if-match": b"*"}, WHOLE),
        ({"if-unmodified-since": BEFORE}, Part(412)),
        ({"if-unmodified-since": SAME}, WHOLE),
        ({"range": b"bytes=0-0"}, Part(206, 0, 1)),
        ({"range": b"bytes=90-"}, Part(206, 90, 10)),
        ({"range": b"bytes=90-999999"}, Part(206, 90, 10)),
        ({"range": b"bytes=-5"}, Part(206, 95, 5)),
        ({"range": b"bytes=-500"}, Part(206, 0, 100)),
        ({"range": b"bytes=-0"}, Part(416)),
        ({"range": b"bytes=100-"}, Part(416)),
        ({"range": b"bytes=5-3"}, WHOLE),
        ({"range": b"bytes=-"}, WHOLE),
        ({"range": b"bytes=0-1,5-6"}, WHOLE),
        ({"range": b"lines=0-1"}, WHOLE),
        ({"range": b"bytes=0-" + b"9" * 400}, WHOLE),
        ({"range": b"bytes=0-1", "if-range": b'"abc"'}, Part(206, 0, 2)),
        ({"range": b"bytes=0-1", "if-range": b'W/"abc"'}, WHOLE),
        ({"range": b"bytes=0-1", "if-range": SAME}, Part(206, 0, 2)),
        ({"range": b"bytes=0-1", "if-range": AFTER}, WHOLE),
        ({"range": b"bytes=0-1", "if-none-match": b'"abc"'}, Part(304)),
    ],
)
def test_conditions_and_ranges(headers: dict[str, bytes], expected: Part) -> None:
    assert selected_part([(name.encode(), value) for name, value in headers.items()], FILE) == expected


def test_an_empty_file_has_no_ranges_and_head_has_none() -> None:
    empty = Selected(b'"e"', 0, 0)
    for wanted in (b"bytes=0-", b"bytes=0-0", b"bytes=-1"):
        assert selected_part([(b"Range", wanted)], empty) == Part(416)
    assert selected_part([(b"Range", b"bytes=0-0")], FILE, ranges=False) == WHOLE


NAMES = st.sampled_from(
    [b"range", b"if-range", b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since"]
)
VALUES = st.one_of(st.binary(max_size=40), st.from_regex(rb"bytes=[0-9]{0,4}-[0-9]{0,4}", fullmatch=True))


@given(st.lists(st.tuples(NAMES, VALUES), max_size=4), st.integers(min_value=0, max_value=2000))
def test_any_headers_give_a_part_of_the_file(headers: list[tuple[bytes, bytes]], size: int) -> None:
    part = selected_part(headers, Selected(b'"abc"', 5, size))
    assert part.status in (200, 206, 304, 412, 416)
    assert 0 <= part.start <= part.start + part.length <= size
    assert (part.status == 206) <= (part.length > 0)
    if part.status == 200:
        assert (part.start, part.length) == (0, size)


@pytest.mark.parametrize(
    ("path", "expected"),
    [
        (b"", []),
        (b"/", []),
        (b"/a/b.txt", ["a", "b.txt"]),
        (b"/a//b/", ["a", "b"]),
        (b"/%C3%A4%20b", ["ä b"]),
        (b"/.env", None),
        (b"/a/.git/config", None),
        (b"/%2Eenv", None),
        (b"/a%2F..%2Fb", None),
        (b"/a%5Cb", None),
        (b"/a%00.txt", None),
        (b"/%FF", None),
        (b"/" + b"a" * 256, None),
    ],
)
def test_names(path: bytes, expected: list[str] | None) -> None:
    assert segments(path, dotfiles=False) == expected


@given(st.binary(max_size=60), st.booleans())
def test_no_name_leads_out(path: bytes, dotfiles: bool) -> None:
    for name in segments(b"/" + path, dotfiles=dotfiles) or []:
        assert name not in ("", ".", "..")
        assert "/" not in name
        assert "\0" not in name
        assert dotfiles or not name.startswith(".")


def test_codings_and_types() -> None:
    def accepted(value: bytes) -> list[str]:
        return accepted_codings([(b"Accept-Encoding", value)])

    assert accepted(b"gzip, deflate, br, zstd") == ["br", "zstd", "gzip"]
    assert accepted(b"gzip;q=1.0, br;q=0.5, zstd;q=0") == ["gzip", "br"]
    assert accepted(b"*") == ["br", "zstd", "gzip"]
    assert accepted(b"identity") == accepted(b"br;q=x") == []
    assert accepted_codings([]) == []
    assert content_type("a/b.html") == b"text/html; charset=utf-8"
    assert content_type("app.mjs") == b"text/javascript; charset=utf-8"
    assert content_type("a.tar.gz") == b"application/gzip"
    assert content_type("a.wasm") == b"application/wasm"
    assert content_type("noend") == b"application/octet-stream"
