"""The HTTP side of the health service.

GET /health                       200 healthy or degraded, 503 unhealthy or a consumer group that does not exist
GET /health/details               the same with all services and groups; a service of the user's answers so to both
GET /health/ready, /ready         200 when every service can take work, else 503; lag matters only if that is asked for
GET /health/live, /live, /status  200 as long as this service answers at all
GET /health/metrics, /metrics     lag for Prometheus

As a plugin, it has these below the plugin's path.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Sequence
from contextlib import AsyncExitStack
from functools import partial
from http import HTTPStatus
from typing import Any

from pywatt.errors import MeshError
from pywatt.http.server.errors import route_not_found
from pywatt.http.server.writer import JSON
from pywatt.mesh.table import MESH_SUFFIX
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.serve_asgi import Application, Receive, Scope, Send, serve_asgi
from pywatt.worker.heartbeat import lag_gauge
from pywatt_services.health.lag import LagMonitor, WatchedGroup
from pywatt_services.health.metrics import lag_families
from pywatt_services.health.options import PATH, HealthOptions
from pywatt_services.health.status import health, is_alarm, lag_health, readiness
from pywatt_services.kafka_hooks.metrics.prometheus import CONTENT_TYPE, write_text

logger = logging.getLogger("pywatt.health")

METHODS = ("GET", "HEAD")
SHADOW_ATTEMPTS = 60
SHADOW_LIMIT = 10.0  # seconds
TEXT = (b"content-type", CONTENT_TYPE)
HealthResponse = tuple[HTTPStatus, dict[str, Any] | str]


async def serve(options: HealthOptions, context: ServiceContext) -> None:
    """Serve until asked to stop."""
    monitors: list[LagMonitor] = []

    def report() -> None:
        context.degraded(next((known.failure for known in _groups(monitors) if known.failure), None))

    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        if options.watches:
            from pywatt_kafka.lag.lag_reader import LagReader

            for watch in options.watches:
                reader = await stack.enter_async_context(LagReader(watch.brokers))
                monitors.append(LagMonitor(watch, reader.measure, report=report))
        checks = [tasks.create_task(monitor.run()) for monitor in monitors]
        for service_id in {watch.scale for watch in options.watches if watch.scale is not None}:
            context.gauge(lag_gauge(service_id), partial(_records_for, service_id, monitors))
        if options.shadowed is not None:
            checks.append(tasks.create_task(warn_of_shadow(options.plugin_path or PATH, options.shadowed, context)))
        await serve_asgi(health_application(context, monitors, options.plugin_path), context)
        for check in checks:
            check.cancel()


def health_application(
    context: ServiceContext, monitors: Sequence[LagMonitor], plugin_path: str | None = None
) -> Application:
    """Return the ASGI application; it answers from the latest known state without waiting."""

    def answer(path: str) -> HealthResponse | None:
        groups = _groups(monitors)
        match path.rstrip("/"):
            case "" | "/health" | "/health/details" as wanted:
                brief = plugin_path is not None and wanted != "/health/details"
                status, document = (lag_health if brief else health)(context.table, groups)
                return HTTPStatus.SERVICE_UNAVAILABLE if is_alarm(status, groups) else HTTPStatus.OK, document
            case "/health/ready" | "/ready":
                ready, document = readiness(context.table, groups)
                return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, document
            case "/health/live" | "/live" | "/status":
                return HTTPStatus.OK, {"status": "live"}
            case "/health/metrics" | "/metrics":
                return HTTPStatus.OK, write_text(lag_families(groups), {})
            case _:
                return None

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "lifespan":
            for phase in ("startup", "shutdown"):
                await receive()
                await send({"type": f"lifespan.{phase}.complete"})
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        else:
            path = scope["path"].removeprefix(scope["root_path"])
            below = path.removeprefix(plugin_path) if plugin_path is not None else path
            found = answer(path if below == path else f"{PATH}{below}") if scope["method"] in METHODS else None
            if found is None:
                await _send(send, HTTPStatus.NOT_FOUND, route_not_found(scope["method"], path))
            else:
                status, document = found
                if isinstance(document, str):
                    await _send(send, status, document.encode(), TEXT)
                else:
                    await _send(send, status, json.dumps(document).encode())

    return app


async def warn_of_shadow(path: str, service_id: str, context: ServiceContext) -> None:
    """Warn if another service would answer the plugin's path, which nobody reaches there any more."""
    for _ in range(SHADOW_ATTEMPTS):
        try:
            response = await context.mesh.request(
                "GET", f"http://{service_id}{MESH_SUFFIX}{path}", timeout=SHADOW_LIMIT
            )
        except MeshError as error:
            logger.debug("it is not known whether %s answers %s: %s", service_id, path, error)
            await asyncio.sleep(1)
            continue
        if response.status != HTTPStatus.SERVICE_UNAVAILABLE:  # else it may still be starting
            break
        await asyncio.sleep(1)
    else:
        return
    if response.status == HTTPStatus.OK:
        logger.warning(
            "GET %s of the app is answered by the plugin for consumer lag, not by the service %s, which answers it too;"
            ' to have both, add "path" to the options of the plugin, such as "%s/kafka"',
            path,
            service_id,
            path,
        )


def _groups(monitors: Sequence[LagMonitor]) -> list[WatchedGroup]:
    return [known for monitor in monitors for known in monitor.groups]


def _records_for(service_id: str, monitors: Sequence[LagMonitor]) -> float:
    groups = (known for known in _groups(monitors) if known.watch.scale == service_id)
    return float(sum(finding.records for known in groups for finding in known.findings.values()))


async def _send(send: Send, status: HTTPStatus, body: bytes, content_type: tuple[bytes, bytes] = JSON) -> None:
    headers = [
        content_type,
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
