"""The dashboard's routes beyond those of the control API.

GET  /api/v1/dashboard            the app, and what this dashboard may do
GET  /api/v1/services/events      server-sent events: `services`, at once and about every second
GET  /api/v1/graph/events         server-sent events: `graph`, at once and about every two seconds
GET  /api/v1/metrics/history      the values of all metrics after `?after=SECONDS`, rates of counters
GET  /api/v1/logs/batches         server-sent events: `logs`, for the parameters of /api/v1/logs
"""

from __future__ import annotations

import time
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from quart import Blueprint, Response, request

from pywatt import __version__
from pywatt.control.error_json import to_json
from pywatt.control.log_stream import kept_log, log_lines, log_query
from pywatt.errors import PywattError
from pywatt_services.dashboard.event_stream import event_stream, streamed
from pywatt_services.dashboard.log_batches import BATCH_LINES, log_batches

if TYPE_CHECKING:
    from pywatt.control.dashboard_host import DashboardSource
    from pywatt_services.dashboard.live_state import LiveState
    from pywatt_services.dashboard.metrics.sampler import MetricsSampler


def app_routes(source: DashboardSource, services: LiveState, graph: LiveState, metrics: MetricsSampler) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("dashboard", __name__)

    @routes.get("/api/v1/dashboard")
    async def about() -> dict[str, Any]:
        return {
            "app": source.app_name,
            "version": __version__,
            "production": source.production,
            "readOnly": source.config.read_only,
        }

    @routes.get("/api/v1/services/events")
    async def live() -> Response:
        return event_stream(services.watch())

    @routes.get("/api/v1/graph/events")
    async def live_graph() -> Response:
        return event_stream(graph.watch())

    @routes.get("/api/v1/metrics/history")
    async def metrics_history() -> dict[str, Any]:
        return metrics.document(request.args.get("after", 0.0, type=float))

    @routes.get("/api/v1/logs/batches")
    async def logs() -> Response | tuple[dict[str, Any], int]:
        answer = await source.ask("metadata", {})
        if answer.error is not None:
            return {"error": dict(answer.error)}, HTTPStatus.CONFLICT
        try:
            folder = kept_log(answer.result, source.env)
            query = log_query(request.args.to_dict(flat=False))
        except PywattError as error:
            return {"error": to_json(error)}, HTTPStatus.BAD_REQUEST
        lines = log_lines(folder, query, stopping=lambda: False, after=request.headers.get("last-event-id"))
        return streamed(log_batches(lines, time.monotonic, first=query.lines or BATCH_LINES))

    return routes
