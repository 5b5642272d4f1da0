"""The level that a line of text names, in the formats of common loggers."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import LogLevel
from pywatt.logs.levels import HEAD, level_in_text
from pywatt.logs.lines import Source, TextLevels, parse_line

LINES = [
    ("INFO:root:hello", LogLevel.INFO),
    ("WARNING:django.request:Not Found: /x", LogLevel.WARN),
    ("INFO:     Uvicorn running on http://", LogLevel.INFO),
    ("2024-01-01 10:00:00,123 - shop.api - INFO - started", LogLevel.INFO),
    ("2024-01-01 10:00:00,123 shop.api DEBUG started", LogLevel.DEBUG),
    ("[2024-01-01 10:00:00,123: INFO/MainProcess] Connected to redis", LogLevel.INFO),
    ("[2024-01-01 10:00:00,123: WARNING/ForkPoolWorker-1] x", LogLevel.WARN),
    ("[I 2024-01-01 10:00:00.123 ServerApp] Jupyter Server", LogLevel.INFO),
    ("[W 2024-01-01 10:00:00.123 ServerApp] x", LogLevel.WARN),
    ("[I 240101 10:00:00 web:2239] 200 GET /", LogLevel.INFO),
    ("2024-05-01 10:00:00.000 WARNING streamlit.runtime: x", LogLevel.WARN),
    ("2024-05-01 10:00:00.000 INFO    streamlit.runtime: x", LogLevel.INFO),
    ("[2024-01-01 10:00:00,123] host-1.local/INFO/locust.main: Starting", LogLevel.INFO),
    ("[2024-01-01 10:00:00,123] host/WARNING/locust.main: x", LogLevel.WARN),
    ("[2024-01-01 10:00:00 +0000] [1234] [INFO] Starting gunicorn", LogLevel.INFO),
    ("[2024-01-01 10:00:00 +0000] [1234] [CRITICAL] WORKER TIMEOUT", LogLevel.FATAL),
    ("I0101 10:00:00.123456       1 server.go:1] hi", LogLevel.INFO),
    ("E0101 10:00:00.123456   12345 server.go:1] hi", LogLevel.ERROR),
    ("2024-01-01 10:00:00,123 INFO  [main] com.x: msg", LogLevel.INFO),
    ("2024-01-01 10:00:00.123  INFO 1234 --- [           main] c.e.App : Started", LogLevel.INFO),
    ("2024-01-01T10:00:00.123+01:00  WARN 1234 --- [app] [main] c.e.App : Started", LogLevel.WARN),
    ("10:00:00.123 [main] INFO  com.x.Y - msg", LogLevel.INFO),
    ("10:00:00.123 [http-nio-8080-exec-1] ERROR com.x.Y - msg", LogLevel.ERROR),
    ("[2024-01-01 10:00:00,123] INFO Kafka version (kafka.server)", LogLevel.INFO),
    ("2024/01/01 10:00:00 [error] 31#31: *1 open() failed", LogLevel.ERROR),
    ("2024/01/01 10:00:00 [notice] 1#1: start", LogLevel.INFO),
    ("[Fri Sep 09 10:42:29.902022 2011] [core:error] [pid 35708] x", LogLevel.ERROR),
    ("[Fri Sep 09 10:42:29 2011] [warn] x", LogLevel.WARN),
    ('time="2024-01-01T10:00:00Z" level=warning msg="x y" a=b', LogLevel.WARN),
    ("level=info ts=1 msg=x", LogLevel.INFO),
    ("ts=2024-01-01T10:00:00Z caller=main.go:1 level=error msg=x", LogLevel.ERROR),
    ("time=2024-01-01T10:00:00.000+01:00 level=INFO msg=hi", LogLevel.INFO),
    ("[2024-01-01T10:00:00Z INFO  crate] msg", LogLevel.INFO),
    ("2024-01-01T10:00:00.000Z  INFO crate: msg", LogLevel.INFO),
    ("\x1b[2m2024-01-01T10:00:00.000Z\x1b[0m \x1b[32m INFO\x1b[0m crate: msg", LogLevel.INFO),
    ("\x1b[32mINFO\x1b[0m:     Started server process", LogLevel.INFO),
    ("2024-01-01T10:00:00.000Z\tINFO\tcaller/x.go:1\tmsg", LogLevel.INFO),
    ("2024-01-01T10:00:00.000+0100\tERROR\tcaller/x.go:1\tmsg", LogLevel.ERROR),
    ("2024/01/01 10:00:00 INFO msg", LogLevel.INFO),
    ("2024-01-01 10:00:00.123 | INFO     | module:func:1 - msg", LogLevel.INFO),
    ("2024-01-01 10:00:00.123 | SUCCESS  | module:func:1 - msg", LogLevel.INFO),
    ("I, [2024-01-01T10:00:00.123 #1]  INFO -- : msg", LogLevel.INFO),
    ("npm warn deprecated x", LogLevel.WARN),
    ("npm error code E", LogLevel.ERROR),
    ("npm ERR! code", LogLevel.ERROR),
    ("npm notice New", LogLevel.INFO),
    ("2024-01-01 10:00:00.123 UTC [1] LOG:  database ready", LogLevel.INFO),
    ("2024-01-01 10:00:00.123 UTC [1] postgres@shop FATAL:  no", LogLevel.FATAL),
    ("2024-01-01 10:00:00.123 UTC [1] ERROR:  no", LogLevel.ERROR),
    ("1:M 01 Jan 2024 10:00:00.123 * Ready", LogLevel.INFO),
    ("1:M 01 Jan 2024 10:00:00.123 # WARN", LogLevel.WARN),
    ("<3>bad", LogLevel.ERROR),
    ("(node:123) Warning: x", LogLevel.WARN),
    ("(node:123) [DEP0040] DeprecationWarning: x", LogLevel.WARN),
    ("/x/y.py:12: DeprecationWarning: z", LogLevel.WARN),
    ("info: Microsoft.Hosting.Lifetime[14]", LogLevel.INFO),
    ("fail: Microsoft.X[1]", LogLevel.ERROR),
    ("[10:00:00.123] INFO (1234): msg", LogLevel.INFO),
    ("10:00:00.123 [info] msg", LogLevel.INFO),
    ("Traceback (most recent call last):", LogLevel.ERROR),
    ("Thread 0x00007f [x] (most recent call first):", LogLevel.INFO),
    ("panic: runtime error", LogLevel.FATAL),
    ("TypeError: x is not", LogLevel.ERROR),
    ("java.lang.IllegalStateException: x", LogLevel.ERROR),
    ('Exception in thread "main" java', LogLevel.ERROR),
    ("thread 'main' panicked at src/main.rs", LogLevel.FATAL),
    ("ERROR [app] x", LogLevel.ERROR),
    ("[ERROR] x", LogLevel.ERROR),
    ("[error] x", LogLevel.ERROR),
    ("INFO  [alembic.runtime.migration] Context impl", LogLevel.INFO),
    ("Error: boom", LogLevel.ERROR),
    ("warning: unused variable", LogLevel.WARN),
    ('{"level":"warn","ts":1,"broken', LogLevel.WARN),
    ('{"a":1,"level":50,"broken', LogLevel.ERROR),
    ("2024-01-01 10:00:00 +0100 [info]: #0 fluentd worker is now running", LogLevel.INFO),
    ("2024-01-01T10:00:00.000Z [INFO]  vault: x", LogLevel.INFO),
    ("2024-01-01 10:00:00.123Z ERROR[main] x", LogLevel.ERROR),
    ("WARNING: something", LogLevel.WARN),
    ("SEVERE: x", LogLevel.ERROR),
]
WITHOUT = [
    "hello world",
    "Listening on 10:00",
    "  You can now view your Streamlit app",
    '127.0.0.1 - - [01/Jan/2024 10:00:00] "GET / HTTP/1.1" 200 -',
    '127.0.0.1 - - [01/Jan/2024:10:00:00 +0000] "GET /ERROR HTTP/1.1" 200 -',
    "ERRORS: none",
    "information about things",
    "2024-01-01 10:00:00 the upload had an ERROR in it",
    "    2024-01-01T10:00:00.000Z [WARN]  consul: x",
    "[10:00:00 WRN] Serilog",
    "Jan 01, 2024 10:00:00 AM org.x.Y main",
]


def levels(lines: list[bytes], default: LogLevel = LogLevel.INFO) -> list[LogLevel]:
    memory, source = TextLevels(default), Source(name="api", pid=1, worker=0)
    return [parse_line(line, memory, source, lambda: 1).level for line in lines]


@pytest.mark.parametrize(("line", "level"), LINES)
def test_a_line_has_the_level_that_its_logger_printed(line: str, level: LogLevel) -> None:
    assert level_in_text(line) is level


@pytest.mark.parametrize("line", WITHOUT)
def test_a_word_in_a_sentence_is_no_level(line: str) -> None:
    assert level_in_text(line) is None


def test_a_line_that_names_no_level_has_that_of_its_stream() -> None:
    assert levels([b"INFO: a", b"hello"], LogLevel.ERROR) == [LogLevel.INFO, LogLevel.ERROR]


def test_further_lines_of_a_message_have_its_level() -> None:
    lines = [b"10:00:00 ERROR [main] failed", b"    at a.b(C.java:1)", b"\tat c", b"hello", b"  indented"]
    assert levels(lines) == [*[LogLevel.ERROR] * 3, LogLevel.INFO, LogLevel.INFO]


def test_a_stack_trace_is_an_error_wherever_it_is_printed_and_a_dump_that_was_asked_for_is_not() -> None:
    assert levels([b"Traceback (most recent call last):\n  File x\nValueError: y"]) == [LogLevel.ERROR]
    assert levels([b"Thread 0x7f (most recent call first):\n  File x"], LogLevel.ERROR) == [LogLevel.INFO]


@pytest.mark.parametrize(
    ("document", "level"),
    [
        ({"level": "warn", "ts": 1, "msg": "zap"}, LogLevel.WARN),
        ({"event": "structlog", "level": "error", "timestamp": "2026-01-01"}, LogLevel.ERROR),
        ({"severity": "DEBUG", "message": "Google"}, LogLevel.DEBUG),
        ({"@level": "info", "@message": "hclog"}, LogLevel.INFO),
        ({"log.level": "error", "message": "ECS"}, LogLevel.ERROR),
        ({"name": "bunyan", "level": 40, "time": "2026-01-01T00:00:00Z", "msg": "x"}, LogLevel.WARN),
        ({"message": "none"}, LogLevel.INFO),
    ],
)
def test_json_of_other_loggers_stays_text_and_has_its_level(document: dict[str, object], level: LogLevel) -> None:
    assert levels([json.dumps(document).encode()]) == [level]


@given(st.text(st.sampled_from("10:- []()|/,=.#\"aIO'TZ+_\t{"), max_size=2 * HEAD))
def test_any_line_is_looked_at_without_an_error(line: str) -> None:
    level_in_text(line)
    level_in_text(f"10:00:00 {line}")
