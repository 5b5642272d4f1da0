"""The dashboard's routes beyond those of the control API.

GET  /api/v1/dashboard            the app, and what this dashboard may do
GET  /api/v1/services/events      server-sent events: `services`, at once and about every second
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from quart import Quart, Response

from pywatt import __version__
from pywatt_services.dashboard.event_stream import event_stream

if TYPE_CHECKING:
    from pywatt.control.dashboard_host import DashboardSource
    from pywatt_services.dashboard.live_services import LiveServices


def add_routes(app: Quart, source: DashboardSource, services: LiveServices) -> None:
    """Add them to an application."""

    @app.get("/api/v1/dashboard")
    async def about() -> dict[str, Any]:
        return {
            "app": source.app_name,
            "version": __version__,
            "production": source.production,
            "readOnly": source.config.read_only,
        }

    @app.get("/api/v1/services/events")
    async def live() -> Response:
        return event_stream(services.watch())
