"""The newest traces, bounded in memory; the ring on disk keeps more, and lasts beyond the worker."""

from __future__ import annotations

import json
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from pywatt_services.dashboard.otlp.spans import Span

MOST_BYTES = 16 * 1024 * 1024
"""Of the JSON of all spans in memory, which is about their size there."""
MOST_SPANS_OF_TRACE = 5000
NANOSECONDS = 1e9


@dataclass(slots=True)
class Trace:
    """The spans of one trace so far."""

    spans: dict[str, Span] = field(default_factory=dict)
    size: int = 0
    left_out: int = 0
    """Number of spans beyond the limit."""

    def summary(self, trace_id: str) -> dict[str, Any]:
        """Return the row of a list."""
        spans = self.spans.values()
        first = min(spans, key=lambda span: (span.parent in self.spans, span.start))
        start = min(span.start for span in spans)
        return {
            "trace": trace_id,
            "name": first.name,
            "service": first.service,
            "services": sorted({span.service for span in spans}),
            "start": start / NANOSECONDS,
            "duration": max(0, max(span.end for span in spans) - start) / NANOSECONDS,
            "spans": len(self.spans) + self.left_out,
            "errors": sum(span.error for span in spans),
        }


class TraceStore:
    """Keeps whole traces, the least recently changed of which goes first."""

    def __init__(self, most_bytes: int = MOST_BYTES) -> None:
        self.traces: OrderedDict[str, Trace] = OrderedDict()
        self.size = 0
        self.forgotten = 0
        """Number of traces that were dropped to stay within the limit."""
        self._most_bytes = most_bytes

    def add(self, spans: Iterable[Span]) -> list[bytes]:
        """Add spans; return the line of each for the ring."""
        lines = []
        for span in spans:
            line = json.dumps(span.to_json(), separators=(",", ":")).encode()
            lines.append(line)
            self._add(span, len(line))
        return lines

    def load(self, lines: Iterable[bytes]) -> None:
        """Add the spans of lines that `add` returned; those that were cut off are skipped."""
        for line in lines:
            try:
                self._add(Span.from_json(json.loads(line)), len(line))
            except (ValueError, TypeError, KeyError):
                continue

    def list(
        self, *, service: str = "", text: str = "", errors: bool = False, slowest: bool = False, limit: int = 100
    ) -> list[dict[str, Any]]:
        """Return the newest or the slowest traces that match."""
        rows = []
        words = text.lower()
        for trace_id, trace in reversed(self.traces.items()):
            row = trace.summary(trace_id)
            if service and service not in row["services"]:
                continue
            if errors and not row["errors"]:
                continue
            if words and not _matches(trace_id, trace, words):
                continue
            rows.append(row)
            if not slowest and len(rows) == limit:
                break
        rows.sort(key=lambda row: row["duration"] if slowest else row["start"], reverse=True)
        return rows[:limit]

    def _add(self, span: Span, size: int) -> None:
        trace = self.traces.setdefault(span.trace, Trace())
        self.traces.move_to_end(span.trace)
        if len(trace.spans) >= MOST_SPANS_OF_TRACE:
            trace.left_out += 1
            return
        trace.spans[span.span] = span
        trace.size += size
        self.size += size
        while self.size > self._most_bytes and len(self.traces) > 1:
            _, gone = self.traces.popitem(last=False)
            self.size -= gone.size
            self.forgotten += 1


def _matches(trace_id: str, trace: Trace, words: str) -> bool:
    return words in trace_id or any(
        words in span.name.lower() or any(words in str(value).lower() for value in span.attributes.values())
        for span in trace.spans.values()
    )
