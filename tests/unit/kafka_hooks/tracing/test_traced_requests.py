"""The header by which a webhook is told that its record's trace is not sampled."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from pywatt.telemetry.trace_context import parse_traceparent
from pywatt_services.kafka_hooks.tracing.traced_caller import TracedRequests

TRACEPARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-02"


@pytest.mark.parametrize("line", [b"traceparent: %b\r\n" % TRACEPARENT, b""])
def test_a_record_without_a_trace_gets_a_line(line: bytes) -> None:
    inner: Any = SimpleNamespace(make=lambda message, attempt, now: SimpleNamespace(lines=b"a: b\r\n"))
    caller: Any = SimpleNamespace(next_line=line, next_context=None, next_spans=None)
    request = TracedRequests(inner, caller).make(SimpleNamespace(headers=()), 1, 0.0)  # type: ignore[arg-type]
    assert request.lines == b"a: b\r\n" + line
    if line:
        trace = parse_traceparent(request.lines.split(b"traceparent: ")[1].strip().decode())
        assert trace is not None
        assert not trace.sampled
