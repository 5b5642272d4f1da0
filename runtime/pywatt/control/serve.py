"""Serves the control API in its worker: hypercorn, on the unix socket that the supervisor has bound."""

from __future__ import annotations

import asyncio
from typing import cast

from pywatt.control.api import control_application
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.drain import drain
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners
from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine
from pywatt.worker.asgi.lifespan import Application, Lifespan
from pywatt.worker.context import WorkerContext

DRAIN_SHARE = 0.5
"""Part of a stop's time that requests in flight may take."""


async def serve(context: ServiceContext) -> None:
    """Serve until asked to stop. The service's loopback port is left alone: any user of the machine could reach it."""
    assert isinstance(context, WorkerContext)
    assert context.public is not None
    async with asyncio.TaskGroup() as tasks:
        app = cast(Application, control_application(context.ask, stopping=lambda: context.stopping))
        lifespan = Lifespan(app)
        running = tasks.create_task(lifespan.run())
        await lifespan.begin()
        listeners = Listeners(mesh=(), public=context.public, backlog=context.server.backlog)
        async with hypercorn_engine(Streams(app), lifespan.state, listeners) as server:
            await context.ready(http=False)
            await drain(server, context, share=DRAIN_SHARE)
        await lifespan.shutdown()
        running.cancel()
