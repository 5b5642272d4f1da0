"""Spans of OpenTelemetry's SDK that are made directly: its tracer and its checked attributes cost most of a span.

pywatt's own attributes are text, numbers and truth values, and few, so they need no check. A span that somebody else
describes too becomes an ordinary one.
"""

from __future__ import annotations

import os
import threading
from collections.abc import Mapping, Sequence
from random import getrandbits
from time import time_ns
from typing import Any, cast

from opentelemetry.attributes import BoundedAttributes
from opentelemetry.sdk import trace as sdk_trace
from opentelemetry.trace import NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags

from pywatt.telemetry.sampling import HeadSampler
from pywatt.telemetry.trace_context import RANDOM, SAMPLED

INTERNAL_METRICS = "OTEL_PYTHON_SDK_INTERNAL_METRICS_ENABLED"
"""Variable for metrics of the SDK itself, which count its own spans only."""
_MAX_ATTRIBUTES = 100
"""More than pywatt's spans have."""
_FLAGS = [TraceFlags(flags) for flags in range(4)]
_UNSET = Status(StatusCode.UNSET)
_FIELDS = frozenset(
    {
        "_attributes",
        "_context",
        "_end_time",
        "_events",
        "_instrumentation_info",
        "_instrumentation_scope",
        "_kind",
        "_limits",
        "_links",
        "_lock",
        "_name",
        "_parent",
        "_record_end_metrics",
        "_record_exception",
        "_resource",
        "_sampler",
        "_set_status_on_exception",
        "_span_processor",
        "_start_time",
        "_status",
        "_trace_config",
    }
)
"""The state of a span in the versions of the SDK that this module knows."""
_Span: Any = getattr(sdk_trace, "_Span", object)


class PlainAttributes(dict[str, Any]):
    """Attributes of pywatt's own, which need no check."""


class PlainSpan(_Span):  # type: ignore[misc]
    """A span of the SDK. What is the same for all spans is in a subclass: see `PlainSpans`."""

    _end_time = None
    _events: Any = ()
    _record_end_metrics = None
    _record_exception = _set_status_on_exception = True
    _status = _UNSET
    _trace_config = None

    def __init__(
        self, name: str, context: SpanContext, parent: SpanContext | None, kind: Any, attributes: Mapping[str, Any]
    ) -> None:
        self._name, self._context, self._parent, self._kind = name, context, parent, kind
        self._attributes: Any = PlainAttributes(attributes)
        self._links: Any = ()
        self._lock = threading.Lock()
        self._start_time = time_ns()

    def add_own(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes of pywatt's own."""
        own = self._attributes
        if own.__class__ is PlainAttributes and self._end_time is None:
            own.update(attributes)
        else:
            super().set_attributes(attributes)

    def set_attribute(self, key: str, value: Any) -> None:
        """Add an attribute of somebody else's."""
        self._become_ordinary()
        super().set_attribute(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        """Add attributes of somebody else's."""
        self._become_ordinary()
        super().set_attributes(attributes)

    def end(self, end_time: int | None = None) -> None:
        """End it. A plain one is exported itself, as nobody changes it any more."""
        if self._attributes.__class__ is not PlainAttributes or self._end_time is not None:
            super().end(end_time)
            return
        self._end_time = time_ns() if end_time is None else end_time
        processor = self._span_processor
        processor._on_ending(self)
        processor.on_end(self)

    def _add_event(self, event: Any) -> None:
        if not self._events:
            self._events = self._new_events()
        super()._add_event(event)

    def _add_link(self, link: Any) -> None:
        if not self._links:
            self._links = self._new_links(())
        super()._add_link(link)

    def _become_ordinary(self) -> None:
        with self._lock:
            if self._attributes.__class__ is PlainAttributes and self._end_time is None:
                limits = self._limits
                self._attributes = BoundedAttributes(
                    limits.max_span_attributes,
                    self._attributes,
                    immutable=False,
                    max_value_len=limits.max_span_attribute_length,
                )


class PlainSpans:
    """Makes the plain spans of one tracer."""

    def __init__(self, tracer: Any, sampler: HeadSampler) -> None:
        """`sampler`: decides as the tracer's own does."""
        self._tracer = tracer
        self._sampler = sampler
        self._on_start = tracer.span_processor.on_start
        self._new = cast(
            "type[PlainSpan]",
            type(
                "PlainSpan",
                (PlainSpan,),
                {
                    "_instrumentation_info": tracer.instrumentation_info,
                    "_instrumentation_scope": tracer._instrumentation_scope,
                    "_limits": tracer._span_limits,
                    "_sampler": tracer.sampler,
                    "_span_processor": tracer.span_processor,
                },
            ),
        )

    def start(
        self,
        name: str,
        kind: Any,
        parent: SpanContext | None,
        context: Any,
        attributes: Mapping[str, Any],
        trace_id: int,
        links: Sequence[Any],
    ) -> Any:
        """Begin a span, or one that is not recorded. `trace_id`: of a trace that begins here; 0: any."""
        sampler = self._sampler
        if parent is None or not parent.is_valid:
            parent, state = None, None
            trace_id = trace_id or getrandbits(128) or 1
            flags = RANDOM | (SAMPLED if sampler.samples_root(trace_id) else 0)
        else:
            trace_id, state = parent.trace_id, parent.trace_state
            is_sampled = sampler.samples(trace_id, parent.trace_flags.sampled)
            flags = (parent.trace_flags & RANDOM) | (SAMPLED if is_sampled else 0)
        own = SpanContext(trace_id, getrandbits(64) or 1, False, _FLAGS[flags], state)
        if not flags & SAMPLED:
            return NonRecordingSpan(own)
        span = self._new(name, own, parent, kind, attributes)
        span._resource = self._tracer.resource
        if links:
            span._links = span._new_links(links)
        self._on_start(span, parent_context=context)
        return span


def plain_spans(tracer: Any, sampler: HeadSampler | None) -> PlainSpans | None:
    """Return what makes a tracer's spans; None: only the tracer itself does all that is configured."""
    limits = getattr(tracer, "_span_limits", None)
    if sampler is None or limits is None or os.environ.get(INTERNAL_METRICS, "").strip().lower() == "true":
        return None
    if limits.max_span_attribute_length is not None or (limits.max_span_attributes or 0) < _MAX_ATTRIBUTES:
        return None
    try:
        known = _Span("", SpanContext(1, 1, False), kind=SpanKind.INTERNAL, limits=limits)
    except TypeError:
        return None
    return PlainSpans(tracer, sampler) if vars(known).keys() == _FIELDS else None
