"""W3C trace context: the examples of its specification, and random ones."""

from __future__ import annotations

import contextvars
import json
import logging
import re

import pytest
from harness.fuzz import fuzz
from hypothesis import example, given
from hypothesis import strategies as st

from pywatt.logs.python import JsonFormatter
from pywatt.telemetry.trace_context import (
    TraceContext,
    current_trace,
    enter_request,
    new_trace,
    parse_traceparent,
    parse_tracestate,
    request_fields,
    trace_of,
)

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
PARENT = f"00-{TRACE}-{SPAN}-01"


def hexadecimal(digits: int) -> st.SearchStrategy[str]:
    return st.integers(1, 16**digits - 1).map(lambda number: f"{number:0{digits}x}")


@fuzz
@given(hexadecimal(32), hexadecimal(16), st.integers(0, 3))
def test_a_context_is_read_as_it_was_written(trace_id: str, span_id: str, flags: int) -> None:
    context = TraceContext(trace_id, span_id, flags)
    assert parse_traceparent(context.traceparent) == context


@fuzz
@given(st.text(alphabet="0123456789abcdefABCDEF- \n", max_size=60) | st.text())
@example(PARENT + "\n")
@example(" " + PARENT)
def test_any_text_is_refused_or_becomes_a_valid_header(text: str) -> None:
    context = parse_traceparent(text)
    if context is not None:
        assert re.fullmatch("00-[0-9a-f]{32}-[0-9a-f]{16}-0[0-3]", context.traceparent)
        assert text[3:35] == context.trace_id


@pytest.mark.parametrize(
    "value",
    [
        "",
        PARENT.upper(),
        PARENT + "-more",
        PARENT + "\n",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"cc-{TRACE}-{SPAN}-01.more",
        f"00-{TRACE}-{SPAN}-1",
    ],
)
def test_an_invalid_traceparent_is_refused(value: str) -> None:
    assert parse_traceparent(value) is None


@pytest.mark.parametrize("value", [f"cc-{TRACE}-{SPAN}-ff", f"01-{TRACE}-{SPAN}-03-what-the-future-will-be"])
def test_later_versions_are_read_as_far_as_they_are_known(value: str) -> None:
    assert parse_traceparent(value) == TraceContext(TRACE, SPAN, 3)


@pytest.mark.parametrize(
    ("value", "kept"),
    [
        ("rojo=00f067aa0ba902b7,congo=t61rcWkgMzE", None),
        ("rojo=1, congo=2\t,,", "rojo=1,congo=2"),
        ("tenant@vendor=a b", None),
        ("foo=1,foo=2", ""),
        ("Foo=1", ""),
        ("foo=a=b", ""),
        ("foo", ""),
        ("=1", ""),
        ("foo=é", ""),
        (",".join(f"k{n}=1" for n in range(32)), None),
        (",".join(f"k{n}=1" for n in range(33)), ""),
        ("k" * 256 + "=1", None),
        ("k" * 257 + "=1", ""),
        ("a=" + "v" * 256, None),
        ("a=" + "v" * 257, ""),
    ],
)
def test_tracestate_is_kept_whole_or_dropped(value: str, kept: str | None) -> None:
    assert parse_tracestate(value) == (value if kept is None else kept)


@fuzz
@given(st.text(alphabet="ab1=,@ \t*é", max_size=30))
def test_a_checked_tracestate_is_valid_again(text: str) -> None:
    assert parse_tracestate(parse_tracestate(text)) == parse_tracestate(text)


def test_several_tracestates_are_one_list_but_two_traceparents_are_none() -> None:
    parent, states = (b"traceparent", PARENT.encode()), [(b"tracestate", b"a=1"), (b"tracestate", b"b=2")]
    assert trace_of([*states, parent]) == TraceContext(TRACE, SPAN, 1, "a=1,b=2")
    assert trace_of([parent, parent]) is None
    assert trace_of([(b"traceparent", b"\xff")]) is None
    assert trace_of(states) is None


def test_new_traces_are_valid_and_differ() -> None:
    traces = [new_trace() for _ in range(100)]
    assert len({trace.trace_id for trace in traces} | {trace.span_id for trace in traces}) == 200
    assert all(parse_traceparent(trace.traceparent) == trace and not trace.sampled for trace in traces)


def test_the_trace_of_a_request_is_that_of_its_task_alone() -> None:
    fields = [(b"host", b"x"), (b"traceparent", PARENT.encode())]

    def serve() -> TraceContext | None:
        enter_request(fields)
        assert request_fields() is fields
        return current_trace()

    assert contextvars.copy_context().run(serve) == TraceContext(TRACE, SPAN, 1)
    assert current_trace() is None
    assert request_fields() == ()


def test_log_records_carry_the_ids() -> None:
    def line() -> dict[str, object]:
        record = logging.LogRecord("shop", logging.INFO, __file__, 1, "sold", (), None)
        written: dict[str, object] = json.loads(JsonFormatter().format(record))
        return written

    def serve() -> dict[str, object]:
        enter_request(TraceContext(TRACE, SPAN, 1))
        return line()

    assert "trace_id" not in line()
    found = contextvars.copy_context().run(serve)
    assert (found["trace_id"], found["span_id"]) == (TRACE, SPAN)
