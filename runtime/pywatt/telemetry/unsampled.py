"""The context of OpenTelemetry for a request that is not sampled, made only if somebody looks.

Most requests of a service that samples one in a hundred never do; those whose application makes spans of its own must
still see that their trace is not sampled.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags, set_span_in_context

from pywatt.telemetry.sdk import extract
from pywatt.telemetry.trace_context import RANDOM, Fields, new_span_id


class UnsampledContext(Context):  # type: ignore[misc]  # Any where it is not installed
    """An OpenTelemetry context that fills itself when it is read."""

    __slots__ = ("_fields", "_trace_id")

    def __init__(self, fields: Fields, trace_id: int) -> None:
        """`trace_id`: of a trace that begins here; 0: the headers name one."""
        self._fields: Fields | None = fields
        self._trace_id = trace_id

    def _fill(self) -> None:
        fields = self._fields
        if fields is None:
            return
        self._fields = None
        context = extract(fields)
        if self._trace_id:
            own = SpanContext(self._trace_id, int(new_span_id(), 16), is_remote=False, trace_flags=TraceFlags(RANDOM))
            context = set_span_in_context(NonRecordingSpan(own), context)
        dict.update(self, context)

    def get(self, key: str, default: Any = None) -> Any:
        """Return a value."""
        self._fill()
        return dict.get(self, key, default)

    def __getitem__(self, key: str) -> Any:
        self._fill()
        return dict.__getitem__(self, key)

    def __contains__(self, key: object) -> bool:
        self._fill()
        return dict.__contains__(self, key)

    def __iter__(self) -> Iterator[str]:
        self._fill()
        return dict.__iter__(self)

    def __len__(self) -> int:
        self._fill()
        return dict.__len__(self)

    def copy(self) -> dict[str, Any]:
        """Return the values."""
        self._fill()
        return dict(dict.items(self))

    def keys(self) -> Any:
        """Return the keys."""
        self._fill()
        return dict.keys(self)

    def values(self) -> Any:
        """Return the values."""
        self._fill()
        return dict.values(self)

    def items(self) -> Any:
        """Return the pairs."""
        self._fill()
        return dict.items(self)


def attacher() -> Any:
    """Return the fastest function that makes a context the current one, for a task that ends with the request."""
    variable = getattr(getattr(otel_context, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return variable.set if isinstance(variable, ContextVar) else otel_context.attach
