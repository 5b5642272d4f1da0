"""The cache of header field names."""

from __future__ import annotations

from pywatt.http.headers import FieldNames


def test_a_name_is_special_whatever_its_case_and_its_look_alike_is_dropped() -> None:
    names = FieldNames(frozenset({b"content-length"}))
    for _ in range(2):
        assert names[b"Content-Length"] == b"content-length"
        assert names[b"CONTENT_length"] == b""
        assert names[b"Content-Type"] is None
        assert names[b"x_y"] is None


def test_made_up_names_do_not_fill_the_memory() -> None:
    names = FieldNames(frozenset({b"host"}))
    for number in range(2 * FieldNames.LIMIT):
        assert names[b"x-%d" % number] is None
    assert len(names) == FieldNames.LIMIT
    assert names[b"Host"] == b"host"
