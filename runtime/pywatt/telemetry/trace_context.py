"""W3C trace context (traceparent, tracestate) without OpenTelemetry, and the trace that the running code belongs to.

https://www.w3.org/TR/trace-context-2/
"""

from __future__ import annotations

import random
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Any

TRACEPARENT, TRACESTATE, BAGGAGE = b"traceparent", b"tracestate", b"baggage"
SAMPLED, RANDOM = 0x01, 0x02
"""Flags: the caller may have recorded the request; the trace id has enough random bits to sample by."""
NOT_SAMPLED = frozenset((b"00", b"02"))
"""The last two characters of a `traceparent` of PARENT_LENGTH whose trace is not sampled."""
PARENT_LENGTH = 55
TRACE_LINE = b"\r\ntraceparent: "
"""Begins the last field of a head that the gateway writes, so that blocks of fields differ in their ends alone."""
TRACE_BEGIN = -(len(TRACE_LINE) + PARENT_LENGTH)
TRACE_BYTES = b"0123456789abcdef-"
"""The bytes of a value that a known block of fields may end in: nothing else is left of it, such as a line break."""
MAX_STATE_MEMBERS = 32

Fields = Sequence[tuple[bytes, bytes]]
"""Headers, names in lower case."""

_PARENT = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?", re.DOTALL)
_STATE_MEMBER = re.compile(
    r"(?:[a-z0-9][a-z0-9_\-*/]{0,255}|[a-z0-9][a-z0-9_\-*/]{0,240}@[a-z][a-z0-9_\-*/]{0,13})"
    r"=[\x20-\x2b\x2d-\x3c\x3e-\x7e]{0,255}[\x21-\x2b\x2d-\x3c\x3e-\x7e]"
)
_NO_TRACE, _NO_SPAN = "0" * 32, "0" * 16


@dataclass(frozen=True, slots=True)
class TraceContext:
    """The identity of one span, as it travels between processes."""

    trace_id: str
    """32 lower-case hexadecimal digits."""
    span_id: str
    """16 lower-case hexadecimal digits."""
    flags: int = 0
    tracestate: str = ""
    """The header's value, checked; empty for none."""

    @property
    def sampled(self) -> bool:
        """Return whether the flag `sampled` is set."""
        return bool(self.flags & SAMPLED)

    @property
    def traceparent(self) -> str:
        """The header's value."""
        return f"00-{self.trace_id}-{self.span_id}-{self.flags:02x}"


def parse_traceparent(traceparent: str, tracestate: str = "") -> TraceContext | None:
    """Read the two headers; None when `traceparent` is invalid. An invalid `tracestate` alone is dropped."""
    match = _PARENT.fullmatch(traceparent)
    if match is None:
        return None
    version, trace_id, span_id, flags, further = match.groups()
    if version == "ff" or (version == "00" and further is not None) or trace_id == _NO_TRACE or span_id == _NO_SPAN:
        return None
    # Of later versions only these two flags are known to mean the same.
    return TraceContext(trace_id, span_id, int(flags, 16) & (SAMPLED | RANDOM), parse_tracestate(tracestate))


def parse_tracestate(tracestate: str) -> str:
    """Return a checked value of `tracestate`, without empty members; empty when it is invalid."""
    members = [member for part in tracestate.split(",") if (member := part.strip(" \t"))]
    if len(members) > MAX_STATE_MEMBERS or not all(_STATE_MEMBER.fullmatch(member) for member in members):
        return ""
    if len({member.partition("=")[0] for member in members}) != len(members):
        return ""
    return ",".join(members)


def trace_of(fields: Iterable[tuple[bytes, bytes]]) -> TraceContext | None:
    """Return the trace context in header fields (names in lower case); None for none or an invalid one."""
    parents: list[bytes] = []
    states: list[bytes] = []
    for name, value in fields:
        if name == TRACEPARENT:
            parents.append(value)
        elif name == TRACESTATE:
            states.append(value)
    if len(parents) != 1:
        return None
    return parse_traceparent(parents[0].decode("latin-1"), b",".join(states).decode("latin-1"))


def new_trace(flags: int = RANDOM) -> TraceContext:
    """Return the context of a new trace, by default one that is not sampled."""
    return TraceContext(f"{random.getrandbits(128) or 1:032x}", new_span_id(), flags)


def new_span_id() -> str:
    """Return a random span id."""
    return f"{random.getrandbits(64) or 1:016x}"


_ambient: ContextVar[TraceContext | Fields | None] = ContextVar("pywatt_trace", default=None)
"""The trace of the request that is served: its header fields until somebody asks, since most requests do not."""

enter_request = _ambient.set
"""Note the header fields (names in lower case), or the TraceContext, of the request that the running task serves."""


_opened: list[Callable[[], Callable[[], object]]] = []


def on_serving(opened: Callable[[], Callable[[], object]]) -> None:
    """Have this called whenever a task turns to another request or record; it returns what is called at the end."""
    _opened.append(opened)


@contextmanager
def serving(fields: Fields) -> Iterator[None]:
    """Note the header fields (names in lower case) of what the running task serves, until the end of the body."""
    token = _ambient.set(fields)
    ends = [opened() for opened in _opened]
    try:
        yield
    finally:
        for end in ends:
            end()
        _ambient.reset(token)


def current_trace() -> TraceContext | None:
    """Return the trace context that the running code belongs to; None outside of a traced request.

    That is OpenTelemetry's current span if there is one, else the context of the request's headers.
    """
    return _opentelemetry_trace() or request_trace()


def request_trace() -> TraceContext | None:
    """Return the trace context that the request which is served came with; None for none."""
    ambient = _ambient.get()
    if ambient is None or isinstance(ambient, TraceContext):
        return ambient
    return trace_of(ambient)


def request_fields() -> Fields:
    """Return the header fields of the request that is served; empty outside of one."""
    ambient = _ambient.get()
    return () if ambient is None or isinstance(ambient, TraceContext) else ambient


def _opentelemetry_trace() -> TraceContext | None:
    module: Any = sys.modules.get("opentelemetry.trace")
    get_current_span = getattr(module, "get_current_span", None)
    if get_current_span is None:  # not imported, or not to its end
        return None
    context = get_current_span().get_span_context()
    if not context.is_valid:
        return None
    state = context.trace_state.to_header() if context.trace_state else ""
    return TraceContext(f"{context.trace_id:032x}", f"{context.span_id:016x}", int(context.trace_flags), state)
