"""Our decisions about a trace are those of OpenTelemetry's samplers."""

from __future__ import annotations

import pytest
from harness.fuzz import fuzz
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.context import Context
from opentelemetry.sdk.trace import sampling
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from pywatt.telemetry.sampling import HeadSampler, head_sampler, root_traces
from pywatt.telemetry.trace_context import parse_traceparent

NAMES = {
    "always_on": lambda _ratio: sampling.ALWAYS_ON,
    "always_off": lambda _ratio: sampling.ALWAYS_OFF,
    "traceidratio": sampling.TraceIdRatioBased,
    "parentbased_always_on": lambda _ratio: sampling.DEFAULT_ON,
    "parentbased_always_off": lambda _ratio: sampling.DEFAULT_OFF,
    "parentbased_traceidratio": lambda ratio: sampling.ParentBased(sampling.TraceIdRatioBased(ratio)),
}


@fuzz
@given(
    st.sampled_from(sorted(NAMES)),
    st.floats(0, 1),
    st.integers(1, 2**128 - 1),
    st.sampled_from([None, False, True]),
)
def test_decisions(name: str, ratio: float, trace_id: int, parent_sampled: bool | None) -> None:
    ours = head_sampler({"OTEL_TRACES_SAMPLER": name, "OTEL_TRACES_SAMPLER_ARG": str(ratio)})
    assert ours is not None
    context = Context()
    if parent_sampled is not None:
        parent = SpanContext(trace_id, 1, is_remote=True, trace_flags=TraceFlags(int(parent_sampled)))
        context = set_span_in_context(NonRecordingSpan(parent), context)
    theirs = NAMES[name](ratio).should_sample(context, trace_id, "x").decision.is_sampled()
    if parent_sampled is None:
        assert ours.samples_root(trace_id) == theirs
    else:
        assert ours.samples(trace_id, parent_sampled) == theirs


@pytest.mark.parametrize("argument", ["", "x", "2", "-1", "nan"])
def test_a_ratio_that_is_none_counts_as_one(argument: str) -> None:
    sampler = head_sampler({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": argument})
    assert sampler is not None
    assert sampler.samples_root(2**128 - 1)


def test_the_default_and_an_unknown_sampler() -> None:
    default = head_sampler({})
    assert default is not None
    assert default.samples_root(1)
    assert not default.samples(1, False)
    assert head_sampler({"OTEL_TRACES_SAMPLER": "of_my_own"}) is None


def test_roots_are_decided_on_as_their_ids_say() -> None:
    sampler = HeadSampler(2**64 // 4, follows_parent=True)
    begin = root_traces(sampler)
    found = [begin() for _ in range(2000)]
    sampled = [trace for trace in found if isinstance(trace, int)]
    assert 300 < len(sampled) < 700
    assert all(sampler.samples_root(trace) for trace in sampled)
    others = [parse_traceparent(trace.decode()) for trace in found if isinstance(trace, bytes)]
    assert all(other and not other.sampled and not sampler.samples_root(int(other.trace_id, 16)) for other in others)
    assert len({other.trace_id for other in others if other}) == len(others)
    assert root_traces(None)() == root_traces(HeadSampler(2**64, follows_parent=True))() == 0
