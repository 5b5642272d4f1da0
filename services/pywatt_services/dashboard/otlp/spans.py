"""Decodes exports of spans, OTLP over HTTP, as protobuf and as JSON (pure)."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from pywatt_services.dashboard.otlp.document import MOST_ATTRIBUTES, attributes_of, cut
from pywatt_services.dashboard.otlp.wire_format import as_bytes, as_double, as_int, as_signed, as_text, fields

KINDS = ("", "internal", "server", "client", "producer", "consumer")
ERROR = 2
"""Status code of a span that failed."""
MOST_EVENTS, MOST_LINKS = 50, 1000
DEEPEST = 8
"""Levels of lists and maps in a value."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span."""

    trace: str
    """Hexadecimal."""
    span: str
    parent: str
    name: str
    kind: str
    service: str
    start: int
    """Nanoseconds since 1970."""
    end: int
    error: bool = False
    message: str = ""
    """The description of its status."""
    attributes: Mapping[str, Any]
    events: tuple[Mapping[str, Any], ...] = ()
    links: tuple[Mapping[str, str], ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Return its JSON form."""
        return asdict(self)

    @staticmethod
    def from_json(document: Mapping[str, Any]) -> Span:
        """Read the result of `to_json`. Raises TypeError, ValueError, KeyError, also for values of other types."""
        for name in ("trace", "span", "parent", "name", "kind", "service", "message"):
            _check(document[name], str)
        for name in ("start", "end"):
            _check(document[name], int)
        _check(document["attributes"], dict)
        for event in document["events"]:
            for name, kind in (("time", int), ("name", str), ("attributes", dict)):
                _check(event[name], kind)
        for link in document["links"]:
            _check(link["trace"], str)
            _check(link["span"], str)
        return Span(**{**document, "events": tuple(document["events"]), "links": tuple(document["links"])})


def _check(value: object, kind: type) -> None:
    if not isinstance(value, kind):
        raise TypeError(f"a {type(value).__name__} stands where a {kind.__name__} belongs")


def spans_of_protobuf(data: bytes) -> Iterator[Span]:
    """Yield the spans of an ExportTraceServiceRequest. Raises ValueError."""
    for number, resource_spans in fields(data):
        if number != 1:
            continue
        parts = list(fields(as_bytes(resource_spans)))
        resource: dict[str, Any] = {}
        for part, value in parts:
            if part == 1:
                resource = _attributes(each for name, each in fields(as_bytes(value)) if name == 1)
        service = str(resource.get("service.name", ""))
        for part, scope in parts:
            if part == 2:
                yield from (_span(as_bytes(span), service) for name, span in fields(as_bytes(scope)) if name == 2)


def _span(data: bytes, service: str) -> Span:
    found: dict[int, list[int | bytes]] = {}
    for number, value in fields(data):
        found.setdefault(number, []).append(value)
    status = dict(fields(as_bytes(found[15][-1]))) if 15 in found else {}
    return Span(
        trace=as_bytes(found.get(1, [b""])[-1]).hex(),
        span=as_bytes(found.get(2, [b""])[-1]).hex(),
        parent=as_bytes(found.get(4, [b""])[-1]).hex(),
        name=cut(as_text(found.get(5, [b""])[-1])),
        kind=_kind(as_int(found.get(6, [0])[-1])),
        service=service,
        start=as_int(found.get(7, [0])[-1]),
        end=as_int(found.get(8, [0])[-1]),
        error=status.get(3) == ERROR,
        message=cut(as_text(status.get(2, b""))),
        attributes=_attributes(found.get(9, ())),
        events=tuple(_event(as_bytes(each)) for each in found.get(11, ())[:MOST_EVENTS]),
        links=tuple(_link(as_bytes(each)) for each in found.get(13, ())[:MOST_LINKS]),
    )


def _event(data: bytes) -> dict[str, Any]:
    parts = list(fields(data))
    single = dict(parts)
    return {
        "time": as_int(single.get(1, 0)),
        "name": cut(as_text(single.get(2, b""))),
        "attributes": _attributes(value for number, value in parts if number == 3),
    }


def _link(data: bytes) -> dict[str, str]:
    single = dict(fields(data))
    return {"trace": as_bytes(single.get(1, b"")).hex(), "span": as_bytes(single.get(2, b"")).hex()}


def _attributes(pairs: Iterable[int | bytes]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for pair in pairs:
        single = dict(fields(as_bytes(pair)))
        if len(found) < MOST_ATTRIBUTES:
            found[as_text(single.get(1, b""))] = _value(as_bytes(single.get(2, b"")), 0)
    return found


def _value(data: bytes, depth: int) -> Any:
    if depth == DEEPEST:
        return "..."
    for number, value in fields(data):
        match number:
            case 1:
                return cut(as_text(value))
            case 2:
                return bool(value)
            case 3:
                return as_signed(value)
            case 4:
                return as_double(value)
            case 5:
                return [_value(as_bytes(each), depth + 1) for _, each in fields(as_bytes(value))]
            case 6:
                pairs = [dict(fields(as_bytes(pair))) for _, pair in fields(as_bytes(value))]
                return {
                    as_text(pair.get(1, b"")): _value(as_bytes(pair.get(2, b"")), depth + 1)
                    for pair in pairs[:MOST_ATTRIBUTES]
                }
            case 7:
                return cut(base64.b64encode(as_bytes(value)).decode())
            case _:
                continue
    return None


def spans_of_json(data: bytes) -> Iterator[Span]:
    """Yield the spans of an export as JSON. Raises ValueError."""
    try:
        for resource_spans in json.loads(data)["resourceSpans"]:
            resource = attributes_of(resource_spans.get("resource", {}).get("attributes", ()))
            service = str(resource.get("service.name", ""))
            for scope in resource_spans.get("scopeSpans", ()):
                yield from (_json_span(span, service) for span in scope.get("spans", ()))
    except (KeyError, TypeError, AttributeError, RecursionError) as error:
        raise ValueError(f"no export of spans: {type(error).__name__}: {error}") from error


def _json_span(span: Mapping[str, Any], service: str) -> Span:
    status = span.get("status", {})
    return Span(
        trace=str(span["traceId"]).lower(),
        span=str(span["spanId"]).lower(),
        parent=str(span.get("parentSpanId") or "").lower(),
        name=cut(str(span.get("name", ""))),
        kind=_kind(int(span.get("kind", 0))),
        service=service,
        start=int(span.get("startTimeUnixNano", 0)),
        end=int(span.get("endTimeUnixNano", 0)),
        error=status.get("code") in (ERROR, "STATUS_CODE_ERROR"),
        message=cut(str(status.get("message", ""))),
        attributes=attributes_of(span.get("attributes", ())),
        events=tuple(
            {
                "time": int(event.get("timeUnixNano", 0)),
                "name": cut(str(event.get("name", ""))),
                "attributes": attributes_of(event.get("attributes", ())),
            }
            for event in span.get("events", ())[:MOST_EVENTS]
        ),
        links=tuple(
            {"trace": str(link["traceId"]).lower(), "span": str(link["spanId"]).lower()}
            for link in span.get("links", ())[:MOST_LINKS]
        ),
    )


def _kind(number: int) -> str:
    return KINDS[number] if 0 <= number < len(KINDS) else ""
