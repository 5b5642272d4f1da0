"""The trace context in the headers of records, by OpenTelemetry's global propagator."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.context import Context

BAGGAGE = "baggage"


def kept(headers: Any) -> Any:
    """Return headers of an iterator as a list, which can be read again; others as they are."""
    return list(headers) if isinstance(headers, Iterator) else headers


def header_pairs(headers: Any) -> list[tuple[Any, Any]] | None:
    """Return headers as a list of pairs; None when they are none, which the client itself reports."""
    if not headers:
        return []
    try:
        return [(name, value) for name, value in (headers.items() if isinstance(headers, Mapping) else headers)]
    except (TypeError, ValueError):
        return None


def with_context(pairs: Iterable[tuple[Any, Any]], context: Any) -> list[tuple[Any, Any]]:
    """Return headers with those of a context added; a trace context that the user has set stays the only one."""
    listed = list(pairs)
    carrier: dict[str, str] = {}
    propagate.inject(carrier, context=context)
    own = {name.lower() for name, _ in listed if isinstance(name, str)}
    has_trace = bool(own and own & (propagate.get_global_textmap().fields - {BAGGAGE}))
    for name, value in carrier.items():
        if name.lower() not in own and (name == BAGGAGE or not has_trace):
            listed.append((name, value.encode()))
    return listed


def context_of(pairs: Iterable[tuple[Any, Any]] | None) -> Any:
    """Return the context that the headers of a record describe; an empty one when they describe none."""
    if not pairs:
        return Context()
    carrier: dict[str, str] = {}
    fields = propagate.get_global_textmap().fields
    for name, value in pairs:
        if not isinstance(name, str):
            continue
        lower = name.lower()
        if lower in fields and lower not in carrier:
            if isinstance(value, bytes):
                carrier[lower] = value.decode("utf-8", "replace")
            elif isinstance(value, str):
                carrier[lower] = value
    return propagate.extract(carrier, context=Context()) if carrier else Context()


def link_to(context: Any) -> Any:
    """Return a link to the span of a context; None when it has none."""
    found = trace.get_current_span(context).get_span_context()
    return trace.Link(found) if found.is_valid else None
