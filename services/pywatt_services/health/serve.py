"""The HTTP side of the health service.

GET /health                       200 healthy or degraded, 503 unhealthy; services, lag
GET /health/ready, /ready         200 when every service can take work, else 503; lag does not matter
GET /health/live, /live, /status  200 as long as this service answers at all
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from http import HTTPStatus
from typing import Any

from pywatt.http.server.errors import route_not_found
from pywatt.http.server.writer import JSON
from pywatt.service_type import ServiceContext
from pywatt.worker.asgi.serve_asgi import Application, Receive, Scope, Send, serve_asgi
from pywatt_services.health.lag import GroupLag, LagMonitor
from pywatt_services.health.options import HealthOptions
from pywatt_services.health.status import Status, health, readiness

METHODS = ("GET", "HEAD")
HealthResponse = tuple[HTTPStatus, dict[str, Any]]


async def serve(options: HealthOptions, context: ServiceContext) -> None:
    """Serve until asked to stop."""
    monitors: list[LagMonitor] = []

    def report() -> None:
        context.degraded(next((known.failure for known in _groups(monitors) if known.failure), None))

    if options.watches:
        from pywatt_kafka.lag.consumer_lag import consumer_lag

        monitors += [LagMonitor(watch, consumer_lag, report=report) for watch in options.watches]
    async with asyncio.TaskGroup() as tasks:
        checks = [tasks.create_task(monitor.run()) for monitor in monitors]
        await serve_asgi(health_application(context, monitors), context)
        for check in checks:
            check.cancel()


def health_application(context: ServiceContext, monitors: Sequence[LagMonitor]) -> Application:
    """Return the ASGI application; it answers from the latest known state without waiting."""

    def answer(path: str) -> HealthResponse | None:
        match path.rstrip("/"):
            case "" | "/health":
                status, document = health(context.table, _groups(monitors))
                return (
                    HTTPStatus.SERVICE_UNAVAILABLE if status is Status.UNHEALTHY else HTTPStatus.OK,
                    document,
                )
            case "/health/ready" | "/ready":
                ready, document = readiness(context.table)
                return HTTPStatus.OK if ready else HTTPStatus.SERVICE_UNAVAILABLE, document
            case "/health/live" | "/live" | "/status":
                return HTTPStatus.OK, {"status": "live"}
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
            found = answer(path) if scope["method"] in METHODS else None
            if found is None:
                await _send(send, HTTPStatus.NOT_FOUND, route_not_found(scope["method"], path))
            else:
                status, document = found
                await _send(send, status, json.dumps(document).encode())

    return app


def _groups(monitors: Sequence[LagMonitor]) -> list[GroupLag]:
    return [known for monitor in monitors for known in monitor.groups]


async def _send(send: Send, status: HTTPStatus, body: bytes) -> None:
    headers = [
        JSON,
        (b"content-length", str(len(body)).encode()),
        (b"cache-control", b"no-store"),
    ]
    await send({"type": "http.response.start", "status": int(status), "headers": headers})
    await send({"type": "http.response.body", "body": body})
