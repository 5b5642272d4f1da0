from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import LogLevel
from pywatt.logs.lines import MAX_LINE_BYTES, Line, LineSplitter, LogRecord, Source, TextLevels, parse_line
from pywatt.logs.ndjson import from_line, to_line
from pywatt.logs.output import JsonLines, PrettyLines
from pywatt.logs.python import JsonFormatter, level_of, python_level

SOURCE = Source(name="api", pid=7, worker=0)


def parse(line: bytes, default: LogLevel = LogLevel.INFO) -> LogRecord:
    return parse_line(line, TextLevels(default), SOURCE, lambda: 1000)


def test_plain_text_has_the_level_of_its_stream() -> None:
    assert parse(b"hello").level is LogLevel.INFO
    assert parse(b"hello", LogLevel.ERROR).level is LogLevel.ERROR
    assert parse(b"hello").msg == "hello"


def test_a_record_in_pinos_form_passes_with_its_own_fields() -> None:
    record = parse(b'{"level":40,"time":5,"pid":1,"hostname":"x","name":"other","msg":"careful","order":9}')
    assert (record.level, record.time, record.msg) == (LogLevel.WARN, 5, "careful")
    assert (record.name, record.pid, record.extra) == ("api", 7, {"order": 9})


@pytest.mark.parametrize("line", [b'{"level":"info","msg":"x"}', b"{broken", b"{}", b'{"msg":"x"}'])
def test_other_json_is_text(line: bytes) -> None:
    assert parse(line).msg == line.decode()


def test_bytes_that_are_no_utf8_are_shown_escaped() -> None:
    assert parse(b"\xff\xfe!").msg == r"\xff\xfe!"


@given(st.binary())
def test_any_line_becomes_a_record_that_can_be_written(line: bytes) -> None:
    record = parse(line)
    for output in (JsonLines(io.StringIO()), PrettyLines(io.StringIO(), colour=True)):
        output.write(record)


@given(st.lists(st.binary(max_size=50).map(lambda line: line.replace(b"\n", b"")), max_size=10), st.data())
def test_lines_survive_any_cutting_of_the_stream(lines: list[bytes], data: st.DataObject) -> None:
    stream = b"".join(line + b"\n" for line in lines) + b"rest"
    splitter = LineSplitter()
    received: list[Line] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received + splitter.rest() == list(map(Line, [*lines, b"rest"]))


def test_a_line_without_end_is_cut_so_that_memory_stays_bounded() -> None:
    splitter = LineSplitter()
    pieces = splitter.feed(b"x" * (MAX_LINE_BYTES * 2 + 1))
    assert [len(piece.text) for piece in pieces] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert [piece.continues for piece in pieces] == [False, True]
    assert splitter.rest() == [Line(b"x", continues=True)]


def test_a_line_is_cut_between_characters() -> None:
    splitter = LineSplitter()
    text = ("x" * (MAX_LINE_BYTES - 1) + "\U0001f600" * 3).encode()
    pieces = splitter.feed(text + b"\nnext\n")
    assert "".join(piece.text.decode() for piece in pieces) == text.decode() + "next"
    assert [piece.continues for piece in pieces] == [False, True, False]


def test_a_record_of_many_kilobytes_stays_one() -> None:
    splitter = LineSplitter()
    (line,) = splitter.feed(json.dumps({"level": 50, "time": 1, "msg": "x" * 500_000}).encode() + b"\n")
    assert (parse(line.text).level, len(parse(line.text).msg)) == (LogLevel.ERROR, 500_000)


def test_the_parts_of_a_line_that_is_too_long_keep_its_level() -> None:
    splitter, levels = LineSplitter(), TextLevels(LogLevel.INFO)
    line = json.dumps({"level": 50, "time": 1, "msg": "x" * 3 * MAX_LINE_BYTES}).encode()
    parts = splitter.feed(line + b"\nhello\n")
    records = [parse_line(part.text, levels, SOURCE, lambda: 1, continues=part.continues) for part in parts]
    assert [record.level for record in records] == [LogLevel.ERROR] * 4 + [LogLevel.INFO]
    assert "".join(record.msg for record in records[:-1]) == line.decode()


@pytest.mark.parametrize(
    "line",
    [
        '{"level":30,"time":1e999,"msg":"a"}',
        '{"level":30,"time":-1e999,"msg":"a"}',
        '{"level":30,"time":NaN,"msg":"a"}',
        '{"level":30,"time":99999999999999999999,"msg":"a"}',
        '{"level":30,"time":-1,"msg":"a"}',
        '{"level":30,"time":true,"msg":"a"}',
        '{"level":true,"time":1,"msg":"a"}',
        '{"level":1e1,"time":1,"msg":"a"}',
        '{"level":30,"time":1,"msg":"a","x":' + "[" * 11_000 + "]" * 11_000 + "}",
        '{"level":30,"time":1,"msg":"a","x":' + '{"y":' * 200 + "1" + "}" * 200 + "}",
        '{"level":30,"time":1,"msg":"a","x":' + "9" * 5_000 + "}",
        '{"level":30,"time":1,"msg":"a"} and more',
        '[{"level":30,"time":1,"msg":"a"}]',
    ],
)
def test_a_record_with_what_no_record_has_is_text(line: str) -> None:
    record = parse(line.encode())
    assert (record.msg, record.time, record.extra) == (line, 1000, {})


@pytest.mark.parametrize(
    ("field", "shown"),
    [
        ("NaN", "NaN"),
        ("-Infinity", "-Infinity"),
        ("1e999", "1e999"),
        ("[Infinity]", ["Infinity"]),
        ('"\\ud800x"', "\ufffdx"),
        ('{"\\udc00": "\\ud83d\\ude00"}', {"\ufffd": "\U0001f600"}),
    ],
)
def test_a_field_that_json_cannot_hold_is_written_as_text(field: str, shown: object) -> None:
    record = parse(b'{"level":40,"time":1,"msg":"a","x":%b}' % field.encode())
    assert (record.level, record.extra) == (LogLevel.WARN, {"x": shown})
    line = to_line(record, "here")

    def refuse(constant: str) -> None:
        raise AssertionError(constant)

    assert json.loads(line.encode(), parse_constant=refuse)["x"] == shown
    assert from_line(line) == record


def test_json_lines_carry_pinos_keys() -> None:
    stream = io.StringIO()
    JsonLines(stream).write(parse(b"hello"))
    line = json.loads(stream.getvalue())
    assert {"level": 30, "time": 1000, "pid": 7, "name": "api", "worker": 0, "msg": "hello"}.items() <= line.items()


def test_a_python_log_record_keeps_its_level_logger_and_traceback() -> None:
    try:
        raise KeyError("gone")
    except KeyError:
        record = logging.LogRecord("shop", logging.ERROR, "f", 1, "cannot %s", ("sell",), sys.exc_info())
    parsed = parse(JsonFormatter().format(record).encode())
    assert (parsed.level, parsed.msg, parsed.extra["logger"]) == (LogLevel.ERROR, "cannot sell", "shop")
    assert "KeyError: 'gone'" in parsed.extra["err"]["stack"]


@pytest.mark.parametrize("level", [level for level in LogLevel if level is not LogLevel.SILENT])
def test_levels_translate_both_ways(level: LogLevel) -> None:
    assert level_of(python_level(level)) is level
