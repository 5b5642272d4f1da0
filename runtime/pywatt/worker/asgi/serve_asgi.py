"""Serving an ASGI application in a worker: on its endpoint, the service's loopback socket and the public one."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from typing import Any

from pywatt.service_type import ServiceContext
from pywatt.telemetry.tracing import active_tracing
from pywatt.worker.asgi.drain import Drainable, drain
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import EngineName, Listeners
from pywatt.worker.asgi.lifespan import Application, Lifespan, Receive, Scope, Send
from pywatt.worker.heartbeat import WAITING

__all__ = ["Application", "EngineName", "Receive", "Scope", "Send", "serve_asgi"]

DRAIN_SHARE = 0.8
"""Part of a stop's time that requests in flight may take; the rest is for the application's own shutdown."""

OpenEngine = Callable[[Streams, dict[str, Any], Listeners], AbstractAsyncContextManager[Drainable]]


async def serve_asgi(app: Application, context: ServiceContext, *, engine: EngineName = EngineName.UVICORN) -> None:
    """Serve until the supervisor asks to stop, then finish the requests in flight.

    Errors of the application's lifespan come out in an ExceptionGroup. Raises MissingExtra when the engine is
    not installed.
    """
    open_engine = _open_engine(engine)
    async with asyncio.TaskGroup() as tasks:
        lifespan = Lifespan(app)
        running = tasks.create_task(lifespan.run())
        if not await _started(lifespan, context, tasks):
            running.cancel()
            return
        listeners = Listeners(
            mesh=(context.endpoint, context.loopback),
            public=context.public,
            backlog=context.server.backlog,
            https=context.server.https,
            http2=context.server.http2,
        )
        streams = _streams(app, context, engine)
        context.gauge(WAITING, lambda: streams.waiting)
        async with open_engine(streams, lifespan.state, listeners) as server:
            await context.ready()
            await drain(server, context, share=DRAIN_SHARE)
        await lifespan.shutdown()
        running.cancel()  # an application that waits for further events would wait for ever


async def _started(lifespan: Lifespan, context: ServiceContext, tasks: asyncio.TaskGroup) -> bool:
    """Wait until the application has started; False: asked to stop before. Raises the error that made it fail."""
    started, stopping = lifespan.begin(), tasks.create_task(context.stop_requested())
    await asyncio.wait((started, stopping), return_when=asyncio.FIRST_COMPLETED)
    stopping.cancel()
    if started.done():
        started.result()
    return started.done()


def _streams(app: Application, context: ServiceContext, engine: EngineName) -> Streams:
    """Return the application as the engine runs it: below the base path, traced and counted where the app wants it."""
    if context.metrics is None:
        return Streams(_traced(_mounted(app, context)))
    from pywatt.worker.asgi.request_metrics import RequestMetrics

    metrics = RequestMetrics(context.metrics)
    if engine is EngineName.UVICORN:
        from pywatt.worker.asgi.counted_cycle import counted_cycle

        streams = Streams(_traced(_mounted(app, context)))
        streams.cycle = counted_cycle(metrics)
    else:
        from pywatt.worker.asgi.counted_application import counted_application

        streams = Streams(_traced(_mounted(counted_application(app, metrics), context)))
    metrics.read_in_flight(lambda: streams.requests)
    return streams


def _open_engine(name: EngineName) -> OpenEngine:
    # Either import is dear, and the service needs only one.
    if name is EngineName.HYPERCORN:
        from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine

        return hypercorn_engine
    from pywatt.worker.asgi.uvicorn_engine import uvicorn_engine

    return uvicorn_engine


def _traced(app: Application) -> Application:
    """Return the application with its spans, if this worker makes any."""
    tracing = active_tracing()
    if tracing is None:
        return app
    from pywatt.telemetry.asgi import traced

    return traced(app, tracing)


def _mounted(app: Application, context: ServiceContext) -> Application:
    """Return the application as it is seen under the app's base path, which the public address may carry."""
    prefix = context.base_path.rstrip("/")
    if context.public is None or not prefix:
        return app

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if not scope["root_path"] and (scope["path"] == prefix or scope["path"].startswith(f"{prefix}/")):
            scope["root_path"] = prefix  # ASGI: `path` stays whole, the framework takes the prefix off
        await app(scope, receive, send)

    return asgi
