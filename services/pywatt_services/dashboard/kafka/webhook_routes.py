"""Webhooks of the kafka-hooks services, asked of those services themselves.

GET   /api/v1/kafka/webhooks     options, metrics, and what holds each partition, by service
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

from quart import Blueprint

from pywatt.mesh.table import MESH_SUFFIX
from pywatt.redaction import hide
from pywatt_services.dashboard.kafka.clusters import AppClusters

if TYPE_CHECKING:
    from pywatt.mesh.client import MeshClient

TYPE = "kafka-hooks"
SHOWN = ("topic", "url", "method", "order", "dlq")
"""Options of a webhook that are shown here; the configuration has all."""
SECONDS = 5.0
"""Timeout of a question to a service."""
_SAMPLE = re.compile(r"^(kafka_hooks_\w+)(?:\{(.*)\})? (\S+)$")
_LABEL = re.compile(r'(\w+)="((?:[^"\\]|\\.)*)"')
_ESCAPE = re.compile(r"\\(.)")


def webhook_routes(clusters: AppClusters, mesh: Callable[[], MeshClient]) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("webhooks", __name__)

    async def ask(service: str, path: str) -> str:
        response = await mesh().request("GET", f"http://{service}{MESH_SUFFIX}{path}", timeout=SECONDS)
        if response.status != HTTPStatus.OK:
            raise OSError(f"{service} answers {path} with status {response.status}")
        return response.body.decode()

    @routes.get("/webhooks")
    async def webhooks() -> dict[str, Any]:
        rows = []
        for service in await clusters.services():
            if service["type"] != TYPE:
                continue
            webhooks = [{key: each.get(key) for key in SHOWN} for each in hide(service["options"]).get("webhooks", [])]
            row: dict[str, Any] = {"service": service["id"], "webhooks": webhooks}
            try:
                row["partitions"] = json.loads(await ask(service["id"], "/why"))["partitions"]
                row["metrics"] = samples(await ask(service["id"], "/metrics"))
            except (OSError, ValueError, KeyError) as error:
                row["problem"] = str(error) or type(error).__name__
            rows.append(row)
        return {"services": rows}

    return routes


def samples(text: str) -> list[Mapping[str, Any]]:
    """Return the samples of a Prometheus page without those of histogram buckets (pure)."""
    found: list[Mapping[str, Any]] = []
    for line in text.splitlines():
        match = _SAMPLE.match(line)
        if match is not None and not match[1].endswith("_bucket"):
            labels = {name: _ESCAPE.sub(r"\1", value) for name, value in _LABEL.findall(match[2] or "")}
            found.append({"name": match[1], "labels": labels, "value": float(match[3])})
    return found
