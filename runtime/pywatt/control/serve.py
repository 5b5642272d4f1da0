"""Serves the control API in its worker: hypercorn, on the unix socket that the supervisor has bound.

The worker hosts the server of metrics and the health endpoints too, if the app has them.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, cast

from pywatt.control.api import Ask, add_repl_route, control_application
from pywatt.control.dashboard_host import DashboardHost, add_dashboard_route
from pywatt.control.options import ControlOptions
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.drain import drain
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners
from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine
from pywatt.worker.asgi.lifespan import Application, Lifespan
from pywatt.worker.context import WorkerContext

if TYPE_CHECKING:
    from pywatt.control.app_metrics import AppMetrics
    from pywatt.control.probes.pages import ProbePages
    from pywatt.http.client.client import HttpClient
    from pywatt.metrics.received import ReceivedMetrics

DRAIN_SHARE = 0.5
"""Part of a stop's time that requests in flight may take."""


async def serve(options: ControlOptions, context: ServiceContext) -> None:
    """Serve until asked to stop.

    The service's loopback port is the dashboard's, for any user of the machine can reach it: the API that needs no
    token is on the unix socket alone.
    """
    assert isinstance(context, WorkerContext)
    assert context.public is not None
    async with asyncio.TaskGroup() as tasks:
        metrics = LazyMetrics(context.ask, options)
        make_api = partial(control_application, context.ask, metrics.collect, stopping=lambda: context.stopping)
        api = make_api()
        dashboard = DashboardHost(options, context, make_api, metrics)
        add_dashboard_route(api, dashboard.open)
        add_repl_route(api, context.ask)
        app = cast(Application, api)
        lifespan = Lifespan(app)
        running = tasks.create_task(lifespan.run())
        await lifespan.begin()
        listeners = Listeners(mesh=(), public=context.public, backlog=context.server.backlog)
        async with hypercorn_engine(Streams(app), lifespan.state, listeners) as server:
            probes = _probes(options, context)
            servers = (*metrics.servers(probes, lambda: context.mesh), *_probe_server(options, probes), dashboard.run())
            hosted = [tasks.create_task(task) for task in servers]
            await context.ready(http=False)
            await drain(server, context, share=DRAIN_SHARE)
        await lifespan.shutdown()
        for task in (running, *hosted):
            task.cancel()


class LazyMetrics:
    """Imports and makes the metrics of the app when they are asked for, or served."""

    def __init__(self, ask: Ask, options: ControlOptions) -> None:
        self._ask = ask
        self._options = options
        self._made: AppMetrics | None = None
        self._received: ReceivedMetrics | None = None

    def received(self) -> ReceivedMetrics:
        """Return the metrics that services send by OTLP."""
        if self._received is None:
            from pywatt.metrics.families import BY_BASE
            from pywatt.metrics.received import ReceivedMetrics

            self._received = ReceivedMetrics(BY_BASE)
        return self._received

    async def collect(self, service: str | None) -> tuple[bool, list[dict[str, Any]]]:
        """Return whether the app's workers count, and all families, or those of one service, as JSON values.

        Raises PywattError, TimeoutError, OSError.
        """
        metrics = self._metrics()
        return metrics.counting, [family.to_json() for family in await metrics.collect(service)]

    def servers(
        self, probes: ProbePages | None, client: Callable[[], HttpClient]
    ) -> Iterator[Coroutine[Any, Any, None]]:
        """Yield the server of metrics, and what sends them by `client`, as far as the app has these.

        `probes`: health endpoints, which may be at the address of the server.
        """
        config = self._options.metrics
        if config is not None and config.server is not None:
            from pywatt.control.metrics_server import serve_metrics

            yield serve_metrics(self._metrics(), config.server, probes if self._options.probes_share else None)
        if config is not None and config.otlp is not None:
            from pywatt.control.otlp_metrics.exporter import send_metrics

            yield send_metrics(self._metrics(), config.otlp, client)

    def _metrics(self) -> AppMetrics:
        if self._made is None:
            from pywatt.control.app_metrics import AppMetrics

            self._made = AppMetrics(self._ask, self._options.folder, self._options.metrics, self.received())
        return self._made


def _probes(options: ControlOptions, context: WorkerContext) -> ProbePages | None:
    """Return the health endpoints if the app has some; they are imported only then."""
    if options.probes is None:
        return None
    from pywatt.control.probes.pages import ProbePages

    return ProbePages(context.ask, options.probes)


def _probe_server(options: ControlOptions, pages: ProbePages | None) -> Iterator[Coroutine[Any, Any, None]]:
    """Yield the server of the health endpoints if they have one of their own."""
    if options.probes is not None and pages is not None and not options.probes_share:
        from pywatt.control.probes.server import serve_probes

        yield serve_probes(pages, options.probes)
