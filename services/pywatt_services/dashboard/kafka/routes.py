"""All routes below /api/v1/kafka."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

import click
from quart import Blueprint

from pywatt.channel.messages import Answer
from pywatt.control.error_json import to_json
from pywatt.errors import PywattError
from pywatt_kafka.errors import KafkaError
from pywatt_services.dashboard.kafka.clusters import AppClusters
from pywatt_services.dashboard.kafka.dead_letter_routes import dead_letter_routes
from pywatt_services.dashboard.kafka.group_routes import group_routes
from pywatt_services.dashboard.kafka.topic_routes import topic_routes
from pywatt_services.dashboard.kafka.webhook_routes import webhook_routes

if TYPE_CHECKING:
    from pywatt.mesh.client import MeshClient

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
Reply = tuple[dict[str, Any], int]


def kafka_routes(ask: Ask, mesh: Callable[[], MeshClient]) -> Blueprint:
    """Return the routes; errors of Kafka, and those of a request, become JSON."""
    routes = Blueprint("kafka", __name__, url_prefix="/api/v1/kafka")
    clusters = AppClusters(ask)
    routes.register_blueprint(topic_routes(clusters))
    routes.register_blueprint(group_routes(clusters))
    routes.register_blueprint(dead_letter_routes(clusters))
    routes.register_blueprint(webhook_routes(clusters, mesh))

    @routes.errorhandler(KafkaError)
    async def kafka_failed(error: KafkaError) -> Reply:
        return {"error": {"kind": "kafka", "message": error.message, "hint": error.hint}}, HTTPStatus.CONFLICT

    @routes.errorhandler(PywattError)
    async def failed(error: PywattError) -> Reply:
        return {"error": to_json(error)}, HTTPStatus.CONFLICT

    @routes.errorhandler(ValueError)
    @routes.errorhandler(click.BadParameter)
    async def malformed(error: Exception) -> Reply:
        return {"error": {"kind": "request", "message": str(error)}}, HTTPStatus.BAD_REQUEST

    return routes
