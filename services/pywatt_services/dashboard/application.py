"""The dashboard as an ASGI application: the control API behind a guard, what the page needs beyond it, and the page."""

from __future__ import annotations

import asyncio
import importlib.util
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, cast

from pywatt_services.dashboard.guard import Guard
from pywatt_services.dashboard.live_services import LiveServices
from pywatt_services.dashboard.routes import app_routes
from pywatt_services.dashboard.web_files import WebFiles

if TYPE_CHECKING:
    from pywatt.control.dashboard_host import DashboardSource
    from pywatt.worker.asgi.lifespan import Application


@asynccontextmanager
async def open_dashboard(source: DashboardSource) -> AsyncIterator[Application]:
    """Return the application; what it keeps is gone when the context is left."""
    app = source.api()
    Guard(source.config, source.port).protect(app)
    async with asyncio.TaskGroup() as tasks:
        services = LiveServices(source.ask)
        running = [tasks.create_task(services.run())]
        app.register_blueprint(app_routes(source, services))
        if importlib.util.find_spec("aiokafka") is not None:
            from pywatt_services.dashboard.kafka.routes import kafka_routes

            app.register_blueprint(kafka_routes(source.ask, source.mesh))
        WebFiles.load().serve(app)
        try:
            yield cast("Application", app)
        finally:
            for task in running:
                task.cancel()
