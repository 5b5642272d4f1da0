"""The forms of records: lines for a terminal, JSON, and back."""

from __future__ import annotations

import json
import re

import click
import pytest

from pywatt_kafka.records import Message
from pywatt_services.kafka_cli.records.record_input import Record, header, record_from_json, record_from_line
from pywatt_services.kafka_cli.records.record_view import coloured_json, matches, record_document, record_lines

PLAIN = Message("orders", 3, 42, b"c-7", b'{"id": 1}', (("trace", b"abc"), ("none", None)), 1_772_366_400_000)


def message(value: bytes | None, *, key: bytes | None = None, timestamp: int = -1) -> Message:
    return Message("t", 0, 0, key, value, (), timestamp)


def test_a_record_is_place_key_headers_and_value() -> None:
    first, *rest = record_lines(PLAIN, colour=False)
    assert re.fullmatch(r"orders\[3\]@42  2026-03-01 \d\d:00:00\.000  c-7", first)
    assert rest == ["  trace: abc", "  none: null", '  {"id": 1}']


@pytest.mark.parametrize(
    ("value", "line"),
    [
        (None, "  null (a tombstone)"),
        (b"", "  "),
        (b"\xff\xfe ok", r"  \xff\xfe ok"),
        (b"\x1b[2J\x00", r"  \x1b[2J\x00"),
        ("grün".encode(), "  grün"),
    ],
)
def test_any_value_is_shown_and_controls_nothing(value: bytes | None, line: str) -> None:
    assert record_lines(message(value), colour=False) == ["t[0]@0", line]


@pytest.mark.parametrize("timestamp", [-1, 2**62, -(2**62)])
def test_any_timestamp_is_shown(timestamp: int) -> None:
    assert record_lines(message(b"x", timestamp=timestamp), colour=False)[0].startswith("t[0]@0")


@pytest.mark.parametrize("text", ['{"a": "b: 1, true", "n": -1.5e3, "w": [true, null]}', "[1]", "1", "no json", '{"a"'])
def test_colours_change_no_character(text: str) -> None:
    assert click.unstyle(coloured_json(text.encode())) == text


def test_json_has_colours_by_kind() -> None:
    kinds = coloured_json(b'{"a": "b", "n": 1, "w": null}')
    for part, colour in (('"a"', "blue"), ('"b"', "green"), ("1", "cyan"), ("null", "magenta")):
        assert click.style(part, fg=colour) in kinds


@pytest.mark.parametrize(
    ("pattern", "found"), [("c-7", True), ('"id": 1', True), ("trace: abc", True), ("none: ", True), ("c-8", False)]
)
def test_grep_looks_into_key_value_and_headers(pattern: str, found: bool) -> None:
    assert matches(PLAIN, re.compile(pattern)) is found


@pytest.mark.parametrize(
    "record",
    [
        PLAIN,
        message(None, key=b"k"),
        message(b"\xff", key=b"\xfe"),
        message("grün".encode(), timestamp=5),
        Message("t", 0, 0, None, b"", (("a", b"1"), ("a", b"\xff"), ("b", b"")), 7),
    ],
)
def test_a_record_in_json_is_the_same_record_again(record: Message) -> None:
    line = json.dumps(record_document(record)).encode()
    assert record_from_json(line) == Record(
        value=record.value,
        key=record.key,
        headers=record.headers,
        timestamp=None if record.timestamp == -1 else record.timestamp,
    )


def test_json_values_that_are_no_text_are_written_as_json() -> None:
    assert record_from_json(b'{"value": {"id": 1}, "key": 7}') == Record(value=b'{"id":1}', key=b"7")


@pytest.mark.parametrize(
    ("line", "problem"),
    [
        (b"{", "Expecting"),
        (b"[]", "no JSON object"),
        (b"{}", 'no "value"'),
        (b'{"value": "x", "headers": 1}', "headers"),
        (b'{"value": "x", "timestamp": "now"}', "timestamp"),
        (b'{"value": {"base64": "?"}}', "base64"),
        (b"\xff", "utf-8"),
    ],
)
def test_a_line_that_is_no_record_says_why(line: bytes, problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        record_from_json(line)


def test_a_line_may_hold_a_key() -> None:
    assert record_from_line(b"a:b:c", b":") == Record(key=b"a", value=b"b:c")
    assert record_from_line(b"a:b:c", None) == Record(value=b"a:b:c")
    with pytest.raises(ValueError, match="':'"):
        record_from_line(b"abc", b":")


def test_a_header_has_a_name() -> None:
    assert header("a=b=c") == ("a", b"b=c")
    assert header("a=") == ("a", b"")
    assert header("a") == ("a", None)
    with pytest.raises(ValueError, match="NAME=VALUE"):
        header("=b")
