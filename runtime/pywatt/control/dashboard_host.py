"""Runs the dashboard beside the control API, on an address of its own, and imports it only when it is wanted."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from http import HTTPStatus
from typing import TYPE_CHECKING, Any, Protocol, cast

from quart import Quart

from pywatt.channel.messages import Answer
from pywatt.config.dashboard_model import DashboardConfig
from pywatt.control.api import Collect
from pywatt.control.dashboard_address import dashboard_url
from pywatt.control.error_json import to_json
from pywatt.control.options import ControlOptions
from pywatt.errors import ControlError, PywattError
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners
from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine
from pywatt.worker.asgi.lifespan import Application
from pywatt.worker.context import WorkerContext

if TYPE_CHECKING:
    from pywatt.mesh.client import MeshClient
    from pywatt.metrics.received import ReceivedMetrics

DASHBOARD = "pywatt_services.dashboard.application"
"""The module with the dashboard, by name: pywatt itself imports none of its services."""


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardSource:
    """The parts of the app that the dashboard gets."""

    ask: Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
    """Has the supervisor run a command."""
    api: Callable[[], Quart]
    """Makes an application with the routes of the control API."""
    collect: Collect
    """Returns whether the app's workers count, and the metrics, of one service or all, as JSON values."""
    received: ReceivedMetrics
    """Takes the metrics that services send."""
    mesh: Callable[[], MeshClient]
    """Returns the client for calls to services."""
    env: Mapping[str, str]
    app_name: str
    production: bool
    port: int
    config: DashboardConfig
    ingest_token: str


class MetricsSource(Protocol):
    """The metrics of the app, as the control worker has them."""

    async def collect(self, service: str | None) -> tuple[bool, list[dict[str, Any]]]:
        """Return whether the app's workers count, and the metrics, of one service or all."""
        ...

    def received(self) -> ReceivedMetrics:
        """Return the metrics that services send."""
        ...


class DashboardModule(Protocol):
    """The module named by DASHBOARD."""

    def open_dashboard(self, source: DashboardSource) -> AbstractAsyncContextManager[Application]:
        """Return the application, served while its context is open."""
        ...


class DashboardHost:
    """Starts the dashboard with the worker, or when `pywatt dashboard` asks for it."""

    def __init__(
        self, options: ControlOptions, context: WorkerContext, make_api: Callable[[], Quart], metrics: MetricsSource
    ) -> None:
        self._run = options.dashboard
        self._make_api = make_api
        self._metrics = metrics
        self._context = context
        self._wanted = asyncio.Event()
        self._url = ""
        self._serves: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if self._run.config.enabled:
            self._wanted.set()

    async def open(self) -> str:
        """Return the URL with the token once it serves. Raises ControlError."""
        if self._run.config.enabled is False:
            raise ControlError("the dashboard of this app is off", hint='remove "dashboard": false from its watt.json')
        self._wanted.set()
        await asyncio.shield(self._serves)
        return self._url

    async def run(self) -> None:
        """Serve it from when it is wanted until cancelled; a failure is logged, and told to whoever opens it."""
        await self._wanted.wait()
        try:
            await self._serve()
        except Exception as error:  # noqa: BLE001 - the control API goes on without it
            message = f"the dashboard failed: {type(error).__name__}: {error}"
            pywatt_logger("pywatt.dashboard").error(message, exc_info=True)
            if self._serves.done():
                self._serves = asyncio.get_running_loop().create_future()
            self._serves.set_exception(ControlError(message, hint="its log tells more: pywatt logs"))
            self._serves.exception()  # nobody need ask

    def _address(self) -> socket.socket:
        """Return its listening socket: the supervisor's, which outlives this worker, or one made when it is asked for.

        Raises OSError.
        """
        place = self._run.config
        if place.enabled:
            return self._context.loopback
        family = socket.AF_INET6 if ":" in place.hostname else socket.AF_INET
        return socket.create_server((place.hostname, place.port), family=family)

    async def _serve(self) -> None:
        context = self._context
        address = self._address()
        self._url = dashboard_url(address, self._run.config.token)
        source = DashboardSource(
            ask=context.ask,
            api=self._make_api,
            collect=self._metrics.collect,
            received=self._metrics.received(),
            mesh=lambda: context.mesh,
            env=context.env,
            app_name=context.app_name,
            production=context.production,
            port=address.getsockname()[1],
            config=self._run.config,
            ingest_token=self._run.ingest_token,
        )
        module = cast(DashboardModule, importlib.import_module(DASHBOARD))
        listeners = Listeners(mesh=(), public=address, backlog=context.server.backlog)
        async with module.open_dashboard(source) as app, hypercorn_engine(Streams(app), {}, listeners) as server:
            self._serves.set_result(None)
            try:
                await asyncio.get_running_loop().create_future()
            finally:
                await server.end_events()


def add_dashboard_route(api: Quart, open_dashboard: Callable[[], Awaitable[str]]) -> None:
    """Add `POST /api/v1/dashboard`, which has it run and returns its URL with the token: for the unix socket only."""

    @api.post("/api/v1/dashboard")
    async def dashboard() -> tuple[dict[str, Any], int]:
        try:
            return {"url": await open_dashboard()}, HTTPStatus.OK
        except PywattError as error:
            return {"error": to_json(error)}, HTTPStatus.CONFLICT
