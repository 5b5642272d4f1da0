"""OpenTelemetry's context in a worker, for requests that are not sampled: made only if somebody looks.

Most requests of a service that samples one in a hundred never do. Those whose application makes spans of its own must
still see that their trace is not sampled.
"""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar, Token
from typing import Any

from opentelemetry import context as otel_context
from opentelemetry.context import Context

from pywatt.telemetry.trace_context import Fields, TraceContext, on_serving, request_fields, request_trace

_EMPTY = Context()


class WorkerRuntimeContext:
    """Keeps the current context; where none is set, it is that of the request's headers."""

    def __init__(self, extract: Callable[[Fields, TraceContext | None], Any]) -> None:
        """`extract`: makes a context of header fields, or of a trace without any."""
        self._current: ContextVar[Any] = ContextVar("pywatt_otel_context", default=None)
        self._extract = extract

    def attach(self, context: Any) -> Token[Any]:
        """Set the current context."""
        return self._current.set(context)

    def begin_serving(self) -> Callable[[], object]:
        """Forget what was made of the headers of another request, unless somebody has set the current context."""
        if self._current.get() is not None:
            return _nothing
        token = self._current.set(None)
        return lambda: self._current.reset(token)

    def get_current(self) -> Any:
        """Return the current context."""
        context = self._current.get()
        if context is not None:
            return context
        fields = request_fields()
        trace = None if fields else request_trace()
        if trace is None and not fields:
            return _EMPTY
        context = self._extract(fields, trace)
        self._current.set(context)
        return context

    def detach(self, token: Token[Any]) -> None:
        """Set the context as it was before."""
        self._current.reset(token)


def install(extract: Callable[[Fields, TraceContext | None], Any]) -> bool:
    """Put it in place of OpenTelemetry's own; False: this version of OpenTelemetry has no such place."""
    if not hasattr(otel_context, "_RUNTIME_CONTEXT"):
        return False
    context = otel_context._RUNTIME_CONTEXT = WorkerRuntimeContext(extract)
    on_serving(context.begin_serving)
    return True


def _nothing() -> None:
    pass
