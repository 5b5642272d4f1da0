"""Chooses the headers of a request that become headers of its record."""

from __future__ import annotations

from collections.abc import Iterable

from pywatt.http.headers import HOP_BY_HOP
from pywatt.telemetry.messaging import TRACE_HEADERS
from pywatt_kafka.dlq.redrive_headers import REDRIVE_HEADERS
from pywatt_services.kafka_hooks.wire.headers import ATTEMPT, CONTENT_TYPE, KEY, KEY_ENCODING, RawHeaders

PARTITION = "x-plt-kafka-hooks-partition"
"""Ours: the partition that a record is to be written to."""
ACK = "x-plt-kafka-hooks-ack"
"""Ours: `true` asks for the place of the record."""

NEVER = HOP_BY_HOP | {
    name.encode()
    for name in (
        "content-length",
        "expect",
        "authorization",
        "cookie",
        KEY,
        KEY_ENCODING,
        ATTEMPT,
        PARTITION,
        ACK,
        *REDRIVE_HEADERS,
    )
}
KNOWN_NAMES = 1000
TRACEPARENT = "traceparent"
_CONTENT_TYPE = CONTENT_TYPE.encode()
_TRACE = frozenset(name.encode() for name in TRACE_HEADERS)
"""Always pass: whatever else a record has, it belongs to the trace of its request."""


class RecordHeaders:
    """The rule of one service."""

    def __init__(self, allowed: Iterable[str] | None = None, *, never: Iterable[str] = ()) -> None:
        """`allowed`: names in lower case, `x-*` for all that begin so; None: all. Headers of a trace always pass.

        `never`: further names that may not pass, whatever is allowed.
        """
        self._allowed = None if allowed is None else [name.encode() for name in allowed]
        self._never = NEVER | {name.encode() for name in never}
        self._names: dict[bytes, str | None] = {}

    def of(self, request: RawHeaders) -> list[tuple[str, bytes]]:
        """Return a record's headers, content-type first; names of `request` are in lower case."""
        names = self._names
        result: list[tuple[str, bytes]] = []
        for raw, value in request:
            try:
                name = names[raw]
            except KeyError:
                name = self._learn(raw)
            if name is not None:
                if raw == _CONTENT_TYPE:
                    result.insert(0, (name, value))
                else:
                    result.append((name, value))
        return result

    def of_entry(
        self, given: Iterable[tuple[str, bytes]], trace: Iterable[tuple[str, bytes]] = ()
    ) -> list[tuple[str, bytes]]:
        """Return which of a batch entry's headers (names in lower case) its record has: the rule is the same.

        `trace`: of the request, for an entry without a traceparent of its own.
        """
        kept = [(name, value) for name, value in given if self._passes(name.encode())]
        if trace and all(name != TRACEPARENT for name, _ in kept):
            kept += [header for header in trace if header[0] not in dict(kept)]
        return kept

    def _learn(self, raw: bytes) -> str | None:
        name = raw.decode("latin-1") if self._passes(raw) else None
        if len(self._names) < KNOWN_NAMES:
            self._names[raw] = name
        return name

    def _passes(self, raw: bytes) -> bool:
        if raw in self._never:
            return False
        if raw in _TRACE:
            return True
        return self._allowed is None or any(
            raw.startswith(allowed[:-1]) if allowed.endswith(b"*") else raw == allowed for allowed in self._allowed
        )
