"""The headers that carry the trace of the running code into an outgoing request, and its span of kind CLIENT."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from typing import Any, Protocol

from pywatt.telemetry.baggage import valid_baggage
from pywatt.telemetry.trace_context import BAGGAGE, current_trace, request_fields
from pywatt.telemetry.tracing import Span

Count = Callable[["int | None"], object]
"""Counts a call that has ended, by the status of its response; None: there was none."""
PROPAGATED = ("traceparent", "tracestate", "baggage")


class OutgoingCall(Protocol):
    """A request that user code sends to another service."""

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields to add."""
        ...

    def answered(self, status: int) -> None:
        """Note the response's status."""
        ...

    def failed(self, error: BaseException) -> None:
        """Note that there was no response."""
        ...


class PassingCall:
    """Passes the trace context on, without a span."""

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields to add."""
        return current_headers()

    def answered(self, status: int) -> None:
        """Do nothing."""

    def failed(self, error: BaseException) -> None:
        """Do nothing."""


class RecordedCall:
    """Passes the context of its own span on."""

    def __init__(self, span: Span) -> None:
        self._span = span

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields to add."""
        context = self._span.context
        state = [("tracestate", context.tracestate)] if context.tracestate else []
        return [("traceparent", context.traceparent), *state, *_baggage()]

    def answered(self, status: int) -> None:
        """End the span."""
        self._span.set({"http.response.status_code": status})
        if status >= 400:
            self._span.fail(str(status))
        self._span.end()

    def failed(self, error: BaseException) -> None:
        """End the span."""
        self._span.fail(type(error).__qualname__, str(error))
        self._span.end()


class TracedCall(PassingCall):
    """A call whose trace somebody else has set already."""

    def headers(self) -> list[tuple[str, str]]:
        """Return none."""
        return []


class CountedCall:
    """Counts a call when it ends."""

    def __init__(self, call: OutgoingCall, count: Count) -> None:
        self._call = call
        self._count = count

    def headers(self) -> list[tuple[str, str]]:
        """Return the header fields to add."""
        return self._call.headers()

    def answered(self, status: int) -> None:
        """Count the response."""
        self._count(status)
        self._call.answered(status)

    def failed(self, error: BaseException) -> None:
        """Count a call without a response."""
        self._count(None)
        self._call.failed(error)


_PASSING, _TRACED = PassingCall(), TracedCall()
_begin: Callable[[str, str, str], OutgoingCall] = lambda _method, _host, _path: _PASSING  # noqa: E731
_begin_count: Callable[[str], Count] | None = None


def begin_call(method: str, host: str, path: str, *, is_traced: bool = False) -> OutgoingCall:
    """Begin a call to another service of the app. `is_traced`: it has a `traceparent`, which stays as it is."""
    call = _TRACED if is_traced else _begin(method, host, path)
    return call if _begin_count is None else CountedCall(call, _begin_count(host))


def count_calls(begin: Callable[[str], Count]) -> None:
    """Have calls counted from now on: this is called with the host, and its result with the status."""
    global _begin_count  # noqa: PLW0603
    _begin_count = begin


def record_calls(begin: Callable[[str, str, str], OutgoingCall]) -> None:
    """Have calls begun by this function from now on: see `pywatt.telemetry.sdk`."""
    global _begin  # noqa: PLW0603
    _begin = begin


def passing_call() -> OutgoingCall:
    """Return a call without a span."""
    return _PASSING


def current_headers() -> list[tuple[str, str]]:
    """Return the header fields that carry the trace and the baggage of the running code; none outside of a trace."""
    trace = current_trace()
    if trace is None:
        return _baggage()
    state = [("tracestate", trace.tracestate)] if trace.tracestate else []
    return [("traceparent", trace.traceparent), *state, *_baggage()]


def _baggage() -> list[tuple[str, str]]:
    """Return the field for the baggage: OpenTelemetry's current one if there is any, else that of the request."""
    module: Any = sys.modules.get("opentelemetry.baggage.propagation")
    if module is not None:
        carrier: dict[str, str] = {}
        module.W3CBaggagePropagator().inject(carrier)
        if carrier:
            return list(carrier.items())
    given = b",".join(value for name, value in request_fields() if name == BAGGAGE)
    text = valid_baggage(given.decode("latin-1")) if given else ""
    return [("baggage", text)] if text else []


def has_trace(names: Iterable[str | bytes]) -> bool:
    """Return whether somebody has set the trace of a request already, such as an instrumentation of the user's."""
    return any(name.lower() in ("traceparent", b"traceparent") for name in names)
