"""Sends the metrics of the app to a collector every so often, by OTLP over HTTP."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable, Callable

from pywatt.config.metrics_model import OtlpMetricsConfig
from pywatt.control.app_metrics import AppMetrics
from pywatt.control.otlp_metrics.encoding import export_request
from pywatt.errors import MeshError, PywattError
from pywatt.http.client.call import Response
from pywatt.http.client.client import HttpClient
from pywatt.http.headers import Header
from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.metrics import families
from pywatt.metrics.page import PageFamily

LONGEST_CALL = 10.0
"""Seconds."""
TYPE: Header = (b"content-type", b"application/json")

logger = pywatt_logger("pywatt.metrics")


Send = Callable[[bytes], Awaitable[Response]]


async def send_metrics(
    metrics: AppMetrics,
    config: OtlpMetricsConfig,
    client: Callable[[], HttpClient],
    clock: Callable[[], float] = time.time,
) -> None:
    """Send until cancelled. A collector that is away costs nothing but a log record: all values are cumulative."""
    http = client()
    headers = [TYPE, *((name.lower().encode(), value.encode()) for name, value in config.headers.items())]
    limit = min(LONGEST_CALL, config.interval)

    async def send(body: bytes) -> Response:
        return await http.request("POST", config.endpoint, headers=headers, body=body, timeout=limit)

    failed = False
    while True:
        await asyncio.sleep(config.interval)
        problem = await _send_once(metrics, config, send, clock())
        if problem and not failed:
            logger.warning("metrics could not be sent to %s: %s", config.endpoint, problem)
        elif failed and not problem:
            logger.info("metrics are sent to %s again", config.endpoint)
        failed = bool(problem)


async def _send_once(metrics: AppMetrics, config: OtlpMetricsConfig, send: Send, now: float) -> str:
    """Return the problem, empty for none."""
    try:
        found = await metrics.collect()
        document = export_request(found, _resource(found, config), started=_started(found), now=now)
        response = await send(await asyncio.to_thread(lambda: json.dumps(document).encode()))
    except (MeshError, PywattError) as error:
        return error.message
    except (TimeoutError, OSError, ValueError) as error:
        return str(error) or type(error).__name__
    return "" if response.status // 100 == 2 else f"the response had the status {response.status}"


def _resource(found: list[PageFamily], config: OtlpMetricsConfig) -> dict[str, str]:
    info = next(family for family in found if family.name == families.APP_INFO.name).samples[0]
    resource = {"service.name": config.service_name or info.labels["app"]}
    if config.service_version:
        resource["service.version"] = config.service_version
    return resource


def _started(found: list[PageFamily]) -> float:
    return next(family for family in found if family.name == families.APP_START.name).samples[0].value
