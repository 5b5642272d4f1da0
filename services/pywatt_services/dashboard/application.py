"""The dashboard as an ASGI application: the control API behind a guard, what the page needs beyond it, and the page."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from functools import partial
from http import HTTPStatus
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from quart import Quart, request
from werkzeug.exceptions import HTTPException

from pywatt.errors import NoHome
from pywatt.logs.history import History, RingReader, RingWriter, history_of
from pywatt.logs.pywatt_logger import pywatt_logger
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
    from pywatt.worker.asgi.lifespan import Application, Receive, Scope, Send


SPANS = "spans"
"""Folder of the ring of spans, inside that of the app's log."""
KAFKA = "/api/v1/kafka/"
KAFKA_ROUTES = "pywatt_services.dashboard.kafka.routes"
UNUSABLE = b'{"error": {"message": "the Kafka client cannot be imported", "hint": "pip install \'pywatt[kafka]\'"}}'
RING_BYTES = 64 * 1024 * 1024


@asynccontextmanager
async def open_dashboard(source: DashboardSource) -> AsyncIterator[Application]:
    """Return the application; what it keeps is gone when the context is left."""
    app = source.api()
    guard = Guard(source.config, source.port, source.ingest_token)
    guard.protect(app)
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
        WebFiles.load().serve(app)
        try:
            if importlib.util.find_spec("aiokafka") is None:
                yield cast("Application", app)
            else:
                yield LazyKafka(cast("Application", app), partial(kafka_application, source, guard)).serve
        finally:
            profiles.end()
            for task in running:
                task.cancel()
            if ring is not None:
                ring.close()


logger = pywatt_logger("pywatt.dashboard")


class LazyKafka:
    """Has the routes for Kafka served by an application of their own, whose client is imported only then: 2.5 MB."""

    def __init__(self, app: Application, make: Callable[[], Application]) -> None:
        self._app = app
        self._make = make
        self._made: Application | None = None
        self._making = asyncio.Lock()

    async def serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve a request as ASGI does."""
        if not str(scope.get("path", "")).startswith(KAFKA):
            await self._app(scope, receive, send)
            return
        if self._made is None:
            try:
                async with self._making:
                    await asyncio.to_thread(importlib.import_module, KAFKA_ROUTES)
                    self._made = self._make()
            except ImportError as error:  # the rest of the dashboard goes on
                logger.error("the dashboard cannot show Kafka: %s", error)
                headers = [(b"content-type", b"application/json")]
                await send({"type": "http.response.start", "status": 500, "headers": headers})
                await send({"type": "http.response.body", "body": UNUSABLE})
                return
        await self._made(scope, receive, send)


def kafka_application(source: DashboardSource, guard: Guard) -> Application:
    """Return the application with the routes for Kafka."""
    from pywatt_services.dashboard.kafka.routes import kafka_routes

    app = Quart("pywatt.dashboard.kafka")
    app.json.sort_keys = False  # type: ignore[attr-defined]
    guard.protect(app)
    app.register_blueprint(kafka_routes(source.ask, source.mesh))

    @app.errorhandler(HTTPException)
    async def refuse(error: HTTPException) -> tuple[dict[str, Any], int]:
        message = f"{request.method} {request.path}: {error.name}"
        return {"error": {"kind": "request", "message": message}}, error.code or HTTPStatus.INTERNAL_SERVER_ERROR

    return cast("Application", app)


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
