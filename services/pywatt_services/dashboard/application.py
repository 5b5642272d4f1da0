"""The dashboard as an ASGI application: the control API behind a guard, what the page needs beyond it, and the page."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TYPE_CHECKING, cast

from pywatt.errors import NoHome
from pywatt.logs.history import History, RingReader, RingWriter, history_of
from pywatt_services.dashboard.graph.live_graph import live_graph
from pywatt_services.dashboard.guard import Guard
from pywatt_services.dashboard.live_services import live_services
from pywatt_services.dashboard.metrics.sampler import MetricsSampler
from pywatt_services.dashboard.profiles.recorder import ProfileRecorder
from pywatt_services.dashboard.profiles.routes import profile_routes
from pywatt_services.dashboard.receiver import otlp_routes
from pywatt_services.dashboard.recording.export import recording_routes
from pywatt_services.dashboard.routes import app_routes
from pywatt_services.dashboard.traces.routes import trace_routes
from pywatt_services.dashboard.traces.store import TraceStore
from pywatt_services.dashboard.web_files import WebFiles

if TYPE_CHECKING:
    from pywatt.control.dashboard_host import DashboardSource
    from pywatt.worker.asgi.lifespan import Application


SPANS = "spans"
"""Folder of the ring of spans, inside that of the app's log."""
RING_BYTES = 64 * 1024 * 1024


@asynccontextmanager
async def open_dashboard(source: DashboardSource) -> AsyncIterator[Application]:
    """Return the application; what it keeps is gone when the context is left."""
    app = source.api()
    Guard(source.config, source.port, source.ingest_token).protect(app)
    async with asyncio.TaskGroup() as tasks:
        store = TraceStore()
        services, graph = live_services(source.ask), live_graph(source.ask, source.collect, store)
        metrics = MetricsSampler(source.collect)
        running = [tasks.create_task(state.run()) for state in (services, graph, metrics)]
        app.register_blueprint(app_routes(source, services, graph, metrics))
        ring = await open_ring(source, store)
        app.register_blueprint(trace_routes(store))
        profiles = ProfileRecorder(source.ask, tasks)
        app.register_blueprint(profile_routes(profiles))
        app.register_blueprint(recording_routes(source, store, metrics))
        app.register_blueprint(otlp_routes(store, ring, source.received, source.ask))
        if importlib.util.find_spec("aiokafka") is not None:
            from pywatt_services.dashboard.kafka.routes import kafka_routes

            app.register_blueprint(kafka_routes(source.ask, source.mesh))
        WebFiles.load().serve(app)
        try:
            yield cast("Application", app)
        finally:
            profiles.end()
            for task in running:
                task.cancel()
            if ring is not None:
                ring.close()


async def open_ring(source: DashboardSource, store: TraceStore) -> RingWriter | None:
    """Return the writer of the ring of spans, those of which have been loaded; None: there is no place for it."""
    answer = await source.ask("metadata", {})
    if answer.error is not None:
        return None
    name, root = answer.result["name"], Path(answer.result["root"])
    try:
        folder = history_of(name, root, source.env).folder / SPANS
    except NoHome:
        return None
    reader = RingReader(folder)
    try:
        store.load(reader.lines())
    except OSError:
        return None
    finally:
        reader.close()
    return RingWriter(History(name=name, root=root, folder=folder), RING_BYTES)
