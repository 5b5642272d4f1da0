"""The tracing of this worker: the decision about a request, and its spans. It is chosen once, when the worker starts.

Nothing here imports OpenTelemetry: `pywatt.telemetry.sdk` makes the spans, where it is installed and configured.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

from pywatt.telemetry.sampling import HeadSampler
from pywatt.telemetry.settings import SkipRule
from pywatt.telemetry.trace_context import Fields, TraceContext

Attributes = Mapping[str, Any]


class Span(Protocol):
    """A span that is recorded, or whose trace is not sampled."""

    @property
    def context(self) -> TraceContext:
        """Its identity, which goes into outgoing requests."""
        ...

    def set(self, attributes: Attributes) -> None:
        """Add attributes."""
        ...

    def rename(self, name: str) -> None:
        """Give it another name."""
        ...

    def fail(self, error_type: str, description: str = "") -> None:
        """Set the status to error."""
        ...

    def end(self) -> None:
        """End it; further calls have no effect."""
        ...


class Spans(Protocol):
    """Makes spans: see `pywatt.telemetry.sdk`."""

    def server(self, name: str, fields: Fields, attributes: Attributes, trace_id: int = 0) -> Span:
        """Begin a span of kind SERVER. `fields`: the request's headers, names in lower case.

        `trace_id`: of a trace that begins here and is sampled; 0: not decided yet.
        """
        ...

    def producer(self, name: str, fields: Fields, attributes: Attributes, trace_id: int = 0) -> Span:
        """Begin a span of kind PRODUCER; arguments as for `server`."""
        ...

    def consumer(
        self, name: str, fields: Fields, links: Iterable[TraceContext], attributes: Attributes, trace_id: int = 0
    ) -> Span:
        """Begin a span of kind CONSUMER; `fields`, `trace_id` as for `server`."""
        ...

    def client(self, name: str, parent: Span | None, attributes: Attributes) -> Span:
        """Begin a span of kind CLIENT. `parent`: None: the current span of the running task."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Tracing:
    """The tracing of a worker."""

    spans: Spans
    sampler: HeadSampler | None
    """None: only OpenTelemetry can decide."""
    skip: Sequence[SkipRule] = field(default=())

    def skips(self, method: str, path: str) -> bool:
        """Return whether a request gets no span."""
        return any(rule.matches(method, path) for rule in self.skip)


_active: Tracing | None = None
"""A process has one."""


def active_tracing() -> Tracing | None:
    """Return the tracing of this worker; None: it makes no spans."""
    return _active


def activate(tracing: Tracing | None) -> None:
    """Set the tracing of this worker."""
    global _active  # noqa: PLW0603
    _active = tracing
