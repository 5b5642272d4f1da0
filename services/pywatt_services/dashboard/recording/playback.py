"""The dashboard of a recording: the same page and routes, with what a file holds."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, AsyncIterator
from functools import partial
from http import HTTPStatus
from typing import Any

from quart import Blueprint, Quart, Response, request
from werkzeug.exceptions import HTTPException

from pywatt import __version__
from pywatt.config.dashboard_model import DashboardConfig
from pywatt.control.error_json import to_json
from pywatt.control.log_stream import LogLine, LogQuery, log_query, slow_line
from pywatt.errors import PywattError
from pywatt.logs.ndjson import from_line
from pywatt.logs.search.time_limit import BoundedSearch
from pywatt_services.dashboard.event_stream import Event, event_stream, streamed
from pywatt_services.dashboard.guard import Guard
from pywatt_services.dashboard.log_batches import BATCH_LINES, log_batches
from pywatt_services.dashboard.recording.file_format import Recording
from pywatt_services.dashboard.traces.routes import trace_routes
from pywatt_services.dashboard.traces.store import TraceStore
from pywatt_services.dashboard.web_files import WebFiles

TURN = 500
"""Records after which other requests get their turn."""
POLL_SECONDS = 1.0
EMPTY: dict[str, dict[str, Any]] = {
    "services": {"services": []},
    "graph": {"nodes": [], "edges": []},
    "metrics": {"times": [], "families": []},
    "config": {"services": []},
}


def playback_application(recording: Recording, name: str, *, token: str, port: int) -> Quart:
    """Return the application; `name`: of the file."""
    app = Quart("pywatt.recording")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    # Nobody may send it anything: it only shows.
    Guard(DashboardConfig(token=token, read_only=True), port, ingest_token=token).protect(app)
    store = TraceStore()
    store.add(recording.spans)
    app.register_blueprint(_routes(recording, name))
    app.register_blueprint(trace_routes(store))
    WebFiles.load().serve(app)

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> tuple[dict[str, Any], int]:
        message, hint = "the recording does not hold this", "it was made of services, traces, logs, metrics and config"
        status = error.code or HTTPStatus.INTERNAL_SERVER_ERROR
        return {"error": {"kind": "request", "message": message, "hint": hint}}, status

    return app


def _routes(recording: Recording, name: str) -> Blueprint:
    routes = Blueprint("recording", __name__)
    documents = {**EMPTY, **recording.documents}

    @routes.get("/api/v1/dashboard")
    async def about() -> dict[str, Any]:
        made = {"file": name, "at": recording.about["at"], "by": recording.about["by"]}
        return {
            "app": recording.about["app"],
            "version": __version__,
            "production": True,
            "readOnly": True,
            "recording": made,
        }

    @routes.get("/api/v1/services")
    async def services() -> dict[str, Any]:
        return documents["services"]

    @routes.get("/api/v1/<any(services, graph):kind>/events")
    async def events(kind: str) -> Response:
        return event_stream(_once(kind, {"at": recording.about["at"], **documents[kind]}))

    @routes.get("/api/v1/metrics/history")
    async def metrics() -> dict[str, Any]:
        return documents["metrics"]

    @routes.get("/api/v1/config")
    async def config() -> dict[str, Any]:
        return documents["config"]

    @routes.get("/api/v1/services/<service>/env")
    async def env(service: str) -> dict[str, Any]:
        return {"env": recording.environments.get(service, {})}

    @routes.get("/api/v1/logs/batches")
    async def logs() -> Response | tuple[dict[str, Any], int]:
        try:
            query = log_query(request.args.to_dict(flat=False))
        except PywattError as error:
            return {"error": to_json(error)}, HTTPStatus.BAD_REQUEST
        after = request.headers.get("last-event-id", "")
        known = int(after) if after.isascii() and after.isdecimal() and len(after) < 10 else 0
        lines = _lines(recording, query, known)
        return streamed(log_batches(lines, time.monotonic, first=query.lines or BATCH_LINES))

    return routes


async def _once(name: str, data: Any) -> AsyncGenerator[Event, None]:
    """Yield one event; the stream stays open, or the page would ask again."""
    yield name, data
    await asyncio.get_running_loop().create_future()


async def _lines(recording: Recording, query: LogQuery, known: int) -> AsyncIterator[LogLine | None]:
    """Yield the newest records that are wanted, after the first `known` ones, and then None now and then."""
    found: list[LogLine] = []
    search = BoundedSearch()
    for place, text in enumerate(recording.records[known:], known + 1):
        if place % TURN == 0:
            await asyncio.sleep(0)
        if not query.wanted.may_take(text) or (record := from_line(text)) is None:
            continue
        if search.finds(partial(query.wanted.takes, record)):
            found.append(LogLine(text, str(place)))
    if search.slow:
        found.append(LogLine(slow_line(search), str(len(recording.records))))
    for line in found[-query.lines :] if query.lines else found:
        yield line
    while query.follow:
        yield None
        await asyncio.sleep(POLL_SECONDS)
