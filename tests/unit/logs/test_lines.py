from __future__ import annotations

import io
import json
import logging
import sys

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import LogLevel
from pywatt.logs.lines import MAX_LINE_BYTES, LineSplitter, LogRecord, Source, Stream, parse_line
from pywatt.logs.output import JsonLines, PrettyLines
from pywatt.logs.python import JsonFormatter, level_of, python_level

SOURCE = Source(name="api", pid=7, worker=0)


def parse(line: bytes, stream: Stream = Stream.STDOUT) -> LogRecord:
    return parse_line(line, stream, SOURCE, lambda: 1000)


def test_plain_text_on_stdout_is_info_and_on_stderr_is_an_error() -> None:
    assert parse(b"hello").level is LogLevel.INFO
    assert parse(b"hello", Stream.STDERR).level is LogLevel.ERROR
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
    received: list[bytes] = []
    while stream:
        size = data.draw(st.integers(1, len(stream)))
        received += splitter.feed(stream[:size])
        stream = stream[size:]
    assert received + splitter.rest() == [*lines, b"rest"]


def test_a_line_without_end_is_cut_so_that_memory_stays_bounded() -> None:
    splitter = LineSplitter()
    pieces = splitter.feed(b"x" * (MAX_LINE_BYTES * 2 + 1))
    assert [len(piece) for piece in pieces] == [MAX_LINE_BYTES, MAX_LINE_BYTES]
    assert splitter.rest() == [b"x"]


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
