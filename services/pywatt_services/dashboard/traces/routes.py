"""Receives spans, and shows traces.

POST  /v1/traces                  OTLP over HTTP, protobuf or JSON, with the token that services have
GET   /api/v1/traces              ?service=&text=&errors=true&sort=slowest&limit=100
GET   /api/v1/traces/<trace>
"""

from __future__ import annotations

import zlib
from contextlib import suppress
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, cast

from quart import Blueprint, Response, request

from pywatt_services.dashboard.traces.otlp import spans_of_json, spans_of_protobuf
from pywatt_services.dashboard.traces.store import TraceStore

if TYPE_CHECKING:
    from pywatt.logs.history import RingWriter

JSON = "application/json"
PROTOBUF = "application/x-protobuf"
MOST_BYTES = 32 * 1024 * 1024
"""Of one export, unpacked."""
MOST_ROWS = 1000
Reply = tuple[dict[str, Any], int]


def trace_routes(store: TraceStore, ring: RingWriter | None) -> Blueprint:
    """Return the routes; `ring` keeps the spans on disk."""
    routes = Blueprint("traces", __name__)

    @routes.post("/v1/traces")
    async def receive() -> Response | Reply:
        kind = request.mimetype
        if kind not in (JSON, PROTOBUF):
            return {"message": f"send {PROTOBUF} or {JSON}, not {kind}"}, HTTPStatus.UNSUPPORTED_MEDIA_TYPE
        try:
            body = unpacked(cast(bytes, await request.get_data()), request.headers.get("Content-Encoding", ""))
            spans = list((spans_of_json if kind == JSON else spans_of_protobuf)(body))
        except ValueError as error:
            return {"message": str(error)}, HTTPStatus.BAD_REQUEST
        lines = store.add(span for span in spans if span.trace and span.span)
        if ring is not None and lines:
            with suppress(OSError):  # the disk is full: what is in memory can be seen all the same
                ring.write(b"\n".join(lines) + b"\n")
        return Response(b"{}" if kind == JSON else b"", content_type=kind)

    @routes.post("/v1/metrics")
    @routes.post("/v1/logs")
    async def ignore() -> Response:
        await request.get_data()
        return Response(b"{}" if request.mimetype == JSON else b"", content_type=request.mimetype)

    @routes.get("/api/v1/traces")
    async def traces() -> dict[str, Any]:
        rows = store.list(
            service=request.args.get("service", ""),
            text=request.args.get("text", ""),
            errors=request.args.get("errors") == "true",
            slowest=request.args.get("sort") == "slowest",
            limit=max(1, min(request.args.get("limit", 100, type=int), MOST_ROWS)),
        )
        return {"traces": rows, "count": len(store.traces), "forgotten": store.forgotten}

    @routes.get("/api/v1/traces/<trace_id>")
    async def trace(trace_id: str) -> Reply:
        found = store.traces.get(trace_id.lower())
        if found is None:
            hint = "it was not sampled, its service sends no spans, or newer ones have taken its place"
            return {"error": {"message": f"there is no trace {trace_id}", "hint": hint}}, HTTPStatus.NOT_FOUND
        spans = sorted(found.spans.values(), key=lambda span: (span.start, span.span))
        return {
            **found.summary(trace_id),
            "leftOut": found.left_out,
            "spanList": [span.to_json() for span in spans],
        }, HTTPStatus.OK

    return routes


def unpacked(data: bytes, coding: str) -> bytes:
    """Return a body without its content coding. Raises ValueError for one that is malformed or too large."""
    if coding in ("", "identity"):
        return data
    if coding not in ("gzip", "deflate"):
        raise ValueError(f"the content coding {coding} is not known")
    try:
        reader = zlib.decompressobj(wbits=zlib.MAX_WBITS | 32)
        found = reader.decompress(data, MOST_BYTES)
    except zlib.error as error:
        raise ValueError(f"the body is no {coding}: {error}") from error
    if reader.unconsumed_tail:
        raise ValueError(f"the export has more than {MOST_BYTES} bytes")
    return found
