"""Shows traces.

GET   /api/v1/traces              ?service=&text=&errors=true&sort=slowest&limit=100
GET   /api/v1/traces/<trace>
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Any

from quart import Blueprint, request

from pywatt_services.dashboard.traces.store import TraceStore

MOST_ROWS = 1000
Reply = tuple[dict[str, Any], int]


def trace_routes(store: TraceStore) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("traces", __name__)

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
