"""Records that need no decision, since they say themselves that they are not sampled."""

from __future__ import annotations

import pytest

from pywatt.telemetry.messaging import RecordHeaders, decide, fields_of, is_told_not_sampled
from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler

PARENT = b"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-"


@pytest.mark.parametrize(
    ("headers", "told"),
    [
        ([("key", b"1"), ("traceparent", PARENT + b"00")], True),
        ([("Traceparent", PARENT + b"02"), ("tracestate", b"a=1")], True),
        ([("traceparent", PARENT + b"01")], False),
        ([("traceparent", PARENT + b"00"), ("TraceParent", PARENT + b"00")], False),
        ([("traceparent", None)], False),
        ([("traceparent", b"00")], False),
        ([("baggage", b"a=1")], False),
        ([], False),
    ],
)
def test_records_that_say_it(headers: RecordHeaders, told: bool) -> None:
    assert is_told_not_sampled(headers) is told
    decision = decide(fields_of(headers), HeadSampler(TRACE_ID_LIMIT, follows_parent=True))
    assert decision.is_sampled is not told
    assert decision.context is None
