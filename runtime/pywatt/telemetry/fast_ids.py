"""Random ids of traces that begin here, as text, with the sampler's decision: without arithmetic per request."""

from __future__ import annotations

import os
from collections.abc import Callable

from pywatt.telemetry.sampling import TRACE_ID_LIMIT, HeadSampler

_IDS = 256
"""Ids that are made at once."""
_DIGITS = 48
"""Hexadecimal digits of a trace id and a span id."""


def root_traces(sampler: HeadSampler | None) -> Callable[[], bytes | int]:
    """Return a function that begins a trace: a `traceparent` if it is not sampled, else the trace's id as a number.

    0: only OpenTelemetry can decide.
    """
    if sampler is None or sampler.bound >= TRACE_ID_LIMIT:
        return _always
    bound = b"%016x" % sampler.bound
    digits, place = b"", 0

    def begin() -> bytes | int:
        nonlocal digits, place
        if place >= len(digits):
            digits, place = os.urandom(_IDS * _DIGITS // 2).hex().encode(), 0
        trace = digits[place : place + 32]
        span = digits[place + 32 : place + 48]
        place += _DIGITS
        if trace[16:] < bound:
            return int(trace, 16)
        return b"00-" + trace + b"-" + span + b"-02"

    return begin


def _always() -> int:
    return 0
