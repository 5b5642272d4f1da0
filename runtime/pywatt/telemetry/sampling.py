"""The decision whether a new trace is sampled, without an object of OpenTelemetry's per request.

The same decisions as those of its samplers: https://opentelemetry.io/docs/specs/otel/trace/sdk/#built-in-samplers
"""

from __future__ import annotations

import math
import os
import struct
from binascii import hexlify
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain

from pywatt.telemetry.trace_context import new_span_id

SAMPLER, ARGUMENT = "OTEL_TRACES_SAMPLER", "OTEL_TRACES_SAMPLER_ARG"
TRACE_ID_LIMIT = 1 << 64
"""Sampling by ratio looks at the lower 64 bits of a trace id."""
_BATCH = 256
"""Traces that are begun at once."""
_ID_BYTES = 16
_HALVES = struct.Struct(">QQ")
_SEPARATOR = b"|"


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


def root_traces(sampler: HeadSampler | None, line: bytes = b"%b") -> Callable[[], bytes | int]:
    """Return a function that begins a trace: a `traceparent` if it is not sampled, else the trace's id as a number.

    0: only OpenTelemetry can decide. `line`: what the `traceparent` is to stand in, without a further `%`.
    """
    if sampler is None or sampler.bound >= TRACE_ID_LIMIT:
        return int
    batches = iter(partial(_new_traces, sampler.bound, line), [])
    return chain.from_iterable(batches).__next__


def _new_traces(bound: int, line: bytes) -> list[bytes | int]:
    """Return new traces, many at once, as one by one they would cost much more.

    They share a span id, which must differ within a trace only.
    """
    ids = os.urandom(_BATCH * _ID_BYTES)
    before, after = line.split(b"%b")
    before, after = before + b"00-", b"-%b-02" % new_span_id().encode() + after
    joined = hexlify(ids, _SEPARATOR, _ID_BYTES).replace(_SEPARATOR, after + _SEPARATOR + before)
    traces: list[bytes | int] = list((before + joined + after).split(_SEPARATOR))
    if bound:
        for place, (_, low) in enumerate(_HALVES.iter_unpack(ids)):
            if low < bound:
                traces[place] = int.from_bytes(ids[place * _ID_BYTES : (place + 1) * _ID_BYTES])
    return traces
