"""OTLP's protobuf of spans, written directly: OpenTelemetry's encoder makes several objects for each attribute.

Plain spans only, as nearly all are; it encodes the others. The bytes of two messages of a repeated field may follow one
another in any protobuf. https://github.com/open-telemetry/opentelemetry-proto, trace.proto
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterable, Sequence
from typing import Any

_KEYS = 256
"""Names of attributes whose bytes are kept."""
_TIMES = struct.Struct("<BQBQ")
_FLAGS = struct.Struct("<HI")
_DOUBLE = struct.Struct("<Bd")
_FLAGS_FIELD = 0x0185  # field 16, fixed32, as a varint of two bytes
_HAS_IS_REMOTE, _IS_REMOTE = 0x100, 0x200
_SCOPES = 16
"""Resources with a scope whose bytes are kept; a worker has few."""
_TEXTS = 1024
"""Attributes with a text whose bytes are kept, as most of them come again and again."""
_KEPT_LENGTH = 64
"""Characters above which a text is not kept."""

_keys: dict[str, bytes] = {}
_texts: dict[tuple[str, str], bytes] = {}


class Encoded:
    """The encoded spans, in the form in which an exporter asks for them."""

    def __init__(self, data: bytes) -> None:
        self._data = data

    def SerializeToString(self) -> bytes:  # noqa: N802 - protobuf's name
        """Return the bytes."""
        return self._data

    SerializePartialToString = SerializeToString


class SpanEncoder:
    """Encodes spans for one exporter."""

    def __init__(self, encode_others: Callable[[Sequence[Any]], Any]) -> None:
        """`encode_others`: OpenTelemetry's own encoder."""
        self._encode_others = encode_others
        self._prefixes: dict[tuple[int, int], tuple[Any, Any, bytes, bytes]] = {}

    def __call__(self, spans: Sequence[Any]) -> Encoded:
        """Return the spans' ExportTraceServiceRequest."""
        plain: dict[tuple[int, int], list[bytes]] = {}
        others: list[Any] = []
        for span in spans:
            try:
                data = _span(span)
            except (AttributeError, TypeError, ValueError, struct.error):
                data = None  # whatever it is, the other encoder reports it
            if data is None:
                others.append(span)
                continue
            key = (id(span.resource), id(span.instrumentation_scope))
            if key not in self._prefixes:
                self._learn(key, span)
            plain.setdefault(key, []).append(data)
        parts: list[bytes] = []
        for key, encoded in plain.items():
            _, _, resource, scope = self._prefixes[key]
            parts.append(_message(0x0A, resource + _message(0x12, scope + b"".join(encoded))))
        if others:
            parts.append(self._encode_others(others).SerializeToString())
        return Encoded(b"".join(parts))

    def _learn(self, key: tuple[int, int], span: Any) -> None:
        """Keep the bytes of a span's resource and scope, and both of them: their ids must stay theirs."""
        (resource_spans,) = self._encode_others([span]).resource_spans
        (scope_spans,) = resource_spans.scope_spans
        del resource_spans.scope_spans[:]
        scope = scope_spans.__class__()
        scope.CopyFrom(scope_spans)
        del scope.spans[:]
        if len(self._prefixes) >= _SCOPES:
            self._prefixes.clear()
        self._prefixes[key] = (
            span.resource,
            span.instrumentation_scope,
            resource_spans.SerializeToString(),
            scope.SerializeToString(),
        )


def _span(span: Any) -> bytes | None:
    """Return a span as a field of ScopeSpans; None for one that is not plain."""
    context, parent, status = span.context, span.parent, span.status
    if span.events or span.dropped_attributes or span.dropped_events or span.dropped_links or context.trace_state:
        return None
    flags = _HAS_IS_REMOTE
    parts = [b"\x0a\x10", context.trace_id.to_bytes(16, "big"), b"\x12\x08", context.span_id.to_bytes(8, "big")]
    if parent is not None:
        parts += (b"\x22\x08", parent.span_id.to_bytes(8, "big"))
        if parent.is_remote:
            flags |= _IS_REMOTE
    name = span.name.encode()
    parts += (
        b"\x2a",
        _varint(len(name)),
        name,
        b"\x30",
        _varint(span.kind.value + 1),
        _TIMES.pack(0x39, span.start_time, 0x41, span.end_time),
    )
    for key, value in span.attributes.items():
        known = _texts.get((key, value)) if value.__class__ is str else None
        if known is None:
            encoded = _value(value)
            if encoded is None:
                return None
            known = _message(0x4A, (_keys.get(key) or _learn_key(key)) + _message(0x12, encoded))
            if value.__class__ is str and len(value) <= _KEPT_LENGTH:
                if len(_texts) >= _TEXTS:
                    _texts.clear()
                _texts[key, value] = known
        parts.append(known)
    for link in span.links:
        to = link.context
        if link.attributes or to.trace_state:
            return None
        of_link = _HAS_IS_REMOTE | (_IS_REMOTE if to.is_remote else 0)
        ids = b"\x0a\x10%b\x12\x08%b" % (to.trace_id.to_bytes(16, "big"), to.span_id.to_bytes(8, "big"))
        parts.append(_message(0x6A, ids + b"\x35" + of_link.to_bytes(4, "little")))
    parts.append(_message(0x7A, _status(status)))
    parts.append(_FLAGS.pack(_FLAGS_FIELD, flags))
    return _message(0x12, b"".join(parts))


def _status(status: Any) -> bytes:
    text = b"" if not status.description else _message(0x12, status.description.encode())
    code = status.status_code.value
    return text + (b"\x18" + _varint(code) if code else b"")


def _learn_key(key: str) -> bytes:
    encoded = _message(0x0A, key.encode())
    if len(_keys) < _KEYS:
        _keys[key] = encoded
    return encoded


def _value(value: object) -> bytes | None:
    """Return an AnyValue; None for one that is neither text nor number nor a truth value."""
    kind = value.__class__
    if kind is str:
        assert isinstance(value, str)
        return _message(0x0A, value.encode())
    if kind is bool:
        return b"\x10\x01" if value else b"\x10\x00"
    if kind is int:
        assert isinstance(value, int)
        if not -(1 << 63) <= value < 1 << 63:
            return None
        return b"\x18" + _varint(value & 0xFFFFFFFFFFFFFFFF)
    if kind is float:
        return _DOUBLE.pack(0x21, value)
    return None


def _message(tag: int, data: bytes) -> bytes:
    length = len(data)
    return bytes((tag, length)) + data if length < 0x80 else bytes((tag,)) + _varint(length) + data


def _varint(number: int) -> bytes:
    if number < 0x80:
        return bytes((number,))
    digits: list[int] = []
    while number >= 0x80:
        digits.append(number & 0x7F | 0x80)
        number >>= 7
    digits.append(number)
    return bytes(digits)


def use_encoder(modules: Iterable[Any]) -> None:
    """Have these modules of exporters encode spans by this encoder."""
    for module in modules:
        own = getattr(module, "encode_spans", None)
        if own is not None and not isinstance(own, SpanEncoder):
            module.encode_spans = SpanEncoder(own)
