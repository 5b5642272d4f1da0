"""The decision whether a new trace is sampled, without an object of OpenTelemetry's per request.

The same decisions as those of its samplers: https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers
"""

from __future__ import annotations

import math
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass

SAMPLER, ARGUMENT = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
TRACE_ID_LIMIT = 1 << 64
"""Sampling by ratio looks at the lower 64 bits of a trace id."""
_IDS = 256
"""Ids that are made at once."""
_DIGITS = 48
"""Hexadecimal digits of a trace id and a span id."""


@dataclass(frozen=True, slots=True)
class HeadSampler:
    """Decides at the beginning of a trace."""

    bound: int
    """Traces whose id's lower 64 bits are below it are sampled."""
    follows_parent: bool
    """True if the caller's decision is taken over."""

    def samples_root(self, trace_id: int) -> bool:
        """Return whether a trace that begins here is sampled."""
        return (trace_id & (TRACE_ID_LIMIT - 1)) < self.bound

    def samples(self, trace_id: int, parent_sampled: bool) -> bool:
        """Return whether a trace that began elsewhere is sampled here."""
        return parent_sampled if self.follows_parent else self.samples_root(trace_id)


def head_sampler(environ: Mapping[str, str]) -> HeadSampler | None:
    """Return the sampler that the variables name; None: one that only OpenTelemetry knows."""
    name = environ.get(SAMPLER, "").strip().lower() or "parentbased_always_on"
    base = name.removeprefix("parentbased_")
    follows_parent = base != name
    match base:
        case "always_on":
            return HeadSampler(TRACE_ID_LIMIT, follows_parent)
        case "always_off":
            return HeadSampler(0, follows_parent)
        case "traceidratio":
            return HeadSampler(round(_ratio(environ.get(ARGUMENT, "")) * TRACE_ID_LIMIT), follows_parent)
        case _:
            return None


def _ratio(text: str) -> float:
    """Return a ratio; as in OpenTelemetry's SDK, one that is none counts as 1."""
    try:
        ratio = float(text)
    except ValueError:
        return 1.0
    return ratio if math.isfinite(ratio) and 0.0 <= ratio <= 1.0 else 1.0


def root_traces(sampler: HeadSampler | None) -> Callable[[], bytes | int]:
    """Return a function that begins a trace: a `traceparent` if it is not sampled, else the trace's id as a number.

    0: only OpenTelemetry can decide.
    """
    if sampler is None or sampler.bound >= TRACE_ID_LIMIT:
        return _always
    bound = b"%016x" % sampler.bound
    traces: list[bytes | int] = []
    take = traces.pop

    def begin() -> bytes | int:
        if not traces:
            traces.extend(_new_traces(bound))
        return take()

    return begin


def _new_traces(bound: bytes) -> list[bytes | int]:
    """Return new traces, many at once, as one by one they would cost much more."""
    digits = os.urandom(_IDS * _DIGITS // 2).hex().encode()
    return [
        b"00-%b-%b-02" % (digits[place : place + 32], digits[place + 32 : place + _DIGITS])
        if digits[place + 16 : place + 32] >= bound
        else int(digits[place : place + 32], 16)
        for place in range(0, len(digits), _DIGITS)
    ]


def _always() -> int:
    return 0
