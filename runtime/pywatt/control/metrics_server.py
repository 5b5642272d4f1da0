"""The server that Prometheus scrapes: `/metrics` on an address of its own, in the control worker."""

from __future__ import annotations

import asyncio
import hmac
import json
import socket
from collections.abc import Mapping
from http import HTTPStatus
from typing import cast

from quart import Quart, Response, request

from pywatt.config.metrics_model import MetricsServerConfig
from pywatt.control.app_metrics import AppMetrics
from pywatt.control.probes.pages import ProbePages
from pywatt.errors import PywattError
from pywatt.http.server.listener import open_listener
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.metrics.exposition import accepted_format, write_page
from pywatt.worker.asgi.endless_responses import Streams
from pywatt.worker.asgi.engine import Listeners
from pywatt.worker.asgi.hypercorn_engine import hypercorn_engine
from pywatt.worker.asgi.lifespan import Application

BACKLOG = 64
RETRY_SECONDS = 0.5
"""Pause before another attempt to bind the address."""
QUIET_ATTEMPTS = 6
"""Attempts before that is an error: the predecessor of this worker may hold the address yet."""
JSON = "application/json"

logger = pywatt_logger("pywatt.metrics")


async def serve_metrics(metrics: AppMetrics, config: MetricsServerConfig, probes: ProbePages | None = None) -> None:
    """Serve until cancelled. While the address cannot be bound, the app runs without.

    `probes`: the health endpoints, if they are at the same address.
    """
    listener = await _bound(config)
    shown = listener.getsockname()
    host = f"[{shown[0]}]" if ":" in shown[0] else shown[0]
    app = cast(Application, metrics_application(metrics, config, probes))
    listeners = Listeners(mesh=(), public=listener, backlog=BACKLOG)
    async with hypercorn_engine(Streams(app), {}, listeners):
        logger.info("Prometheus metrics are served at http://%s:%d%s", host, shown[1], config.endpoint)
        if probes is not None:
            logger.info("health endpoints are served there, too: %s", ", ".join(probes.paths))
        await asyncio.get_running_loop().create_future()


def metrics_application(metrics: AppMetrics, config: MetricsServerConfig, probes: ProbePages | None = None) -> Quart:
    """Return the application; nobody is asked who they are at the health endpoints `probes`."""
    app = Quart("pywatt.metrics")

    @app.before_request
    async def health() -> Response | None:
        page = await probes.page(request.path) if probes is not None and request.method in ("GET", "HEAD") else None
        if page is None:
            return None
        headers = {"cache-control": "no-store"}
        return Response(page.body, page.status, headers, content_type=page.content_type)

    @app.before_request
    async def check() -> Response | None:
        given = request.authorization
        if not config.username or (
            given is not None
            and given.type == "basic"
            and _same(given.username, config.username)
            and _same(given.password, config.password)
        ):
            return None
        return _text(
            "a name and a password are needed", HTTPStatus.UNAUTHORIZED, {"www-authenticate": 'Basic realm="metrics"'}
        )

    @app.get("/")
    async def index() -> Response:
        return _text(f"pywatt: metrics are at {config.endpoint}\n")

    async def page() -> Response:
        try:
            found = await metrics.collect()
        except (PywattError, TimeoutError, OSError) as error:
            logger.warning("metrics cannot be collected: %s", str(error) or type(error).__name__)
            return _text("the metrics cannot be collected now\n", HTTPStatus.SERVICE_UNAVAILABLE)
        accept = request.headers.get("accept", "")
        if accept.partition(";")[0].strip() == JSON:
            return Response(json.dumps([family.to_json() for family in found]), content_type=JSON)
        form = accepted_format(accept)
        return Response(write_page(found, form), content_type=form.value)

    app.add_url_rule(config.endpoint, "page", page, methods=["GET"])
    return app


def _same(given: str | None, wanted: str) -> bool:
    return hmac.compare_digest((given or "").encode(), wanted.encode())


def _text(text: str, status: int = HTTPStatus.OK, headers: Mapping[str, str] | None = None) -> Response:
    return Response(text, status, dict(headers or {}), content_type="text/plain; charset=utf-8")


async def _bound(config: MetricsServerConfig) -> socket.socket:
    attempts = 0
    while True:
        try:
            return open_listener(config.hostname, config.port, BACKLOG)
        except OSError as error:
            attempts += 1
            if attempts == QUIET_ATTEMPTS:
                hint = 'set "metrics": {"port": ...} in watt.json to a free one'
                where = f"{config.hostname}:{config.port}"
                logger.error("metrics cannot be served on %s: %s (fix: %s)", where, error.strerror or error, hint)
            await asyncio.sleep(RETRY_SECONDS)
