"""Consumer groups, and their lag over time.

GET   /api/v1/kafka/groups                 with the lag of each, in records and seconds
GET   /api/v1/kafka/groups/<group>         members, partitions
GET   /api/v1/kafka/groups/events          server-sent events: `groups`, about every two seconds
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncGenerator, Sequence
from dataclasses import replace
from typing import Any

from quart import Blueprint, Response, request

from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.admin.groups import Group, GroupDescription
from pywatt_kafka.lag.lag_reader import LagReader
from pywatt_services.dashboard.event_stream import event_stream
from pywatt_services.dashboard.kafka.clusters import AppClusters
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.groups import group_document

SECONDS = 2.0
"""Pause between two measurements of all groups."""
MOST_GROUPS = 100
UNDESCRIBED = GroupDescription(name="", type="", state="", assignor="", members=())
"""A group of the embedded broker, which describes none."""
HIDDEN_PREFIX = "pywatt-redrive-"
"""Groups that only keep what was redriven; they never have members."""


def group_routes(clusters: AppClusters) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("groups", __name__)

    async def cluster() -> Cluster:
        return await clusters.chosen(request.args.get("cluster"))

    @routes.get("/groups")
    async def list_groups() -> dict[str, Any]:
        chosen = await cluster()
        async with (
            Admin(chosen.brokers, security=chosen.security) as admin,
            LagReader(chosen.brokers, security=chosen.security) as reader,
        ):
            return await _measured(admin, reader, await clusters.consumer_groups())

    @routes.get("/groups/<group>")
    async def describe(group: str) -> dict[str, Any]:
        chosen = await cluster()
        async with (
            Admin(chosen.brokers, security=chosen.security) as admin,
            LagReader(chosen.brokers, security=chosen.security) as reader,
        ):
            found = UNDESCRIBED if admin.is_embedded else await admin.describe_group(group)
            return group_document(replace(found, name=group), await reader.measure(group), time.time())

    @routes.get("/groups/events")
    async def follow() -> Response:
        return event_stream(_follow(await cluster(), await clusters.consumer_groups()))

    return routes


async def _measured(admin: Admin, reader: LagReader, own: Sequence[str]) -> dict[str, Any]:
    """Return all groups with their lag; the embedded broker lists none, so those of the app. Raises KafkaError."""
    rows = []
    found = [Group(name, "", "") for name in own] if admin.is_embedded else await admin.list_groups()
    groups = [each for each in found if not each.name.startswith(HIDDEN_PREFIX)]
    for group in groups[:MOST_GROUPS]:
        lag = await reader.measure(group.name)
        now = time.time()
        ages = [seconds for part in lag.partitions.values() if (seconds := part.seconds(now)) is not None]
        rows.append(
            {
                "group": group.name,
                "type": group.type,
                "state": group.state,
                "members": lag.members,
                "lag": sum(part.records for part in lag.partitions.values()),
                "seconds": max(ages, default=None),
                "topics": sorted({place.topic for place in lag.partitions}),
            }
        )
    return {"at": time.time(), "groups": rows, "more": len(groups) - len(rows)}


async def _follow(cluster: Cluster, own: Sequence[str]) -> AsyncGenerator[tuple[str, Any], None]:
    async with (
        Admin(cluster.brokers, security=cluster.security) as admin,
        LagReader(cluster.brokers, security=cluster.security) as reader,
    ):
        while True:
            yield "groups", await _measured(admin, reader, own)
            await asyncio.sleep(SECONDS)
