"""Makes a recording of what the dashboard has seen.

GET  /api/v1/recording       a file as `pywatt dashboard import` shows it
"""

from __future__ import annotations

import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TYPE_CHECKING, Any, cast

from quart import Blueprint, Response

from pywatt import __version__
from pywatt.control.log_stream import LogQuery, kept_log, log_lines
from pywatt.errors import ControlError, NoHome
from pywatt.logs.search.record_filter import RecordFilter
from pywatt_services.dashboard.graph.live_graph import GraphReader
from pywatt_services.dashboard.log_batches import without_token
from pywatt_services.dashboard.metrics.sampler import MetricsSampler
from pywatt_services.dashboard.recording.file_format import MOST_RECORD_BYTES, MOST_RECORDS, SUFFIX, Packer
from pywatt_services.dashboard.traces.store import TraceStore

if TYPE_CHECKING:
    from pywatt.control.dashboard_host import DashboardSource

Look = Callable[[], Awaitable[dict[str, Any]]]


def recording_routes(source: DashboardSource, store: TraceStore, metrics: MetricsSampler) -> Blueprint:
    """Return the route."""
    routes = Blueprint("recording", __name__)

    @routes.get("/api/v1/recording")
    async def recording() -> Response:
        graph = GraphReader(source.ask, source.collect, store)
        response = Response(cast("Any", recorded(source, graph.look, store, metrics)), content_type="application/gzip")
        response.timeout = None
        name = "".join(each if each.isalnum() else "-" for each in source.app_name if each.isascii())
        response.headers["Content-Disposition"] = f'attachment; filename="{name or "app"}{SUFFIX}"'
        return response

    return routes


async def recorded(
    source: DashboardSource, graph: Look, store: TraceStore, metrics: MetricsSampler
) -> AsyncIterator[bytes]:
    """Yield the bytes of a recording: documents, spans, and the newest records of the log."""
    packer = Packer()
    yield packer.about({"app": source.app_name, "at": time.time(), "by": __version__})
    services = await source.ask("services", {"usage": True})
    config = await source.ask("config", {"sources": True})
    for kind, answer in (("services", services), ("config", config)):
        if answer.error is None:
            yield packer.add(kind, answer.result)
    for row in config.result["services"] if config.error is None else ():
        answer = await source.ask("env", {"service": row["id"]})
        if answer.error is None:
            yield packer.add("env", {"service": row["id"], "env": answer.result["env"]})
    await metrics.look()
    yield packer.add("metrics", {"counting": metrics.counting, **metrics.history.document()})
    yield packer.add("graph", await graph())
    for trace in list(store.traces.values()):
        for span in list(trace.spans.values()):
            yield packer.add("span", span.to_json())
    async for text in _newest_records(source):
        yield packer.add_text("log", text)
    yield packer.end()


async def _newest_records(source: DashboardSource) -> AsyncIterator[bytes]:
    answer = await source.ask("metadata", {})
    if answer.error is not None:
        return
    try:
        folder = kept_log(answer.result, source.env)
    except (ControlError, NoHome):
        return
    query = LogQuery(wanted=RecordFilter(), lines=MOST_RECORDS)
    size = 0
    async for line in log_lines(folder, query, stopping=lambda: False):
        if line is not None and (size := size + len(line.text)) <= MOST_RECORD_BYTES:
            yield without_token(line.text)
