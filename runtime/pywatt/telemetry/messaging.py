"""Spans of records on their way through Kafka, for services that write and deliver them.

A record is decided on by its own trace: one without a traceparent begins a trace when it is delivered.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from random import getrandbits
from typing import Any
from urllib.parse import urlsplit

from pywatt.telemetry.http_attributes import hidden_path, host_and_port, method_attributes
from pywatt.telemetry.sampling import HeadSampler
from pywatt.telemetry.trace_context import (
    NOT_SAMPLED,
    PARENT_LENGTH,
    RANDOM,
    Fields,
    TraceContext,
    new_span_id,
    trace_of,
)

TRACE_HEADERS = frozenset({"traceparent", "tracestate", "baggage"})
PARENT_HEADERS = frozenset({"traceparent", "tracestate"})
PARENT_NAME_LENGTH = len("traceparent")

RecordHeaders = Sequence[tuple[str, bytes | None]]


def fields_of(headers: RecordHeaders) -> list[tuple[bytes, bytes]]:
    """Return the headers of a record that concern tracing, as header fields."""
    return [
        (lower.encode(), value)
        for name, value in headers
        if value is not None and (lower := name.lower()) in TRACE_HEADERS
    ]


def trace_headers(headers: RecordHeaders) -> list[tuple[str, bytes | None]]:
    """Return the headers of a record that concern tracing, for another record that belongs to it."""
    return [header for header in headers if header[0].lower() in TRACE_HEADERS]


def without_parent(headers: RecordHeaders) -> list[tuple[str, bytes | None]]:
    """Return a record's headers without those that name a parent."""
    return [header for header in headers if header[0].lower() not in PARENT_HEADERS]


def parent_headers(context: TraceContext) -> list[tuple[bytes, bytes]]:
    """Return the header fields that name a span as parent."""
    state = [(b"tracestate", context.tracestate.encode())] if context.tracestate else []
    return [(b"traceparent", context.traceparent.encode()), *state]


def is_told_not_sampled(headers: RecordHeaders) -> bool:
    """Return whether a record's only traceparent says that its trace is not sampled, as most say."""
    parents = [value for name, value in headers if len(name) == PARENT_NAME_LENGTH and name.lower() == "traceparent"]
    if len(parents) != 1 or parents[0] is None:
        return False
    return len(parents[0]) == PARENT_LENGTH and parents[0][53:] in NOT_SAMPLED


class Decision:
    """The decision about one request or record."""

    __slots__ = ("context", "is_sampled", "trace_id")

    def __init__(self, is_sampled: bool, trace_id: int, context: TraceContext | None) -> None:
        self.is_sampled = is_sampled
        self.trace_id = trace_id
        """Of a trace that begins here; 0: the headers name one, or OpenTelemetry decides."""
        self.context = context
        """What those that follow must be told; None: they get it already."""


def decide(fields: Fields, sampler: HeadSampler | None) -> Decision:
    """Decide about a request or record with these header fields (names in lower case)."""
    parent = trace_of(fields)
    if sampler is None:
        return Decision(True, 0, None)
    if parent is None:
        trace_id = getrandbits(128) or 1
        if sampler.samples_root(trace_id):
            return Decision(True, trace_id, None)
        return Decision(False, trace_id, TraceContext(f"{trace_id:032x}", new_span_id(), RANDOM))
    return Decision(sampler.samples(int(parent.trace_id, 16), parent.sampled), 0, None)


def http_client_attributes(method: str, url: str) -> Mapping[str, Any]:
    """Return the attributes of a webhook's CLIENT span."""
    parts = urlsplit(url)
    authority = parts.netloc.rpartition("@")[2]
    default = 443 if parts.scheme == "https" else 80
    target = f"{parts.path or '/'}{'?' if parts.query else ''}{parts.query}"
    return {
        **method_attributes(method),
        "url.full": f"{parts.scheme}://{authority}{hidden_path(target)}",
        **host_and_port(authority, default),
    }
