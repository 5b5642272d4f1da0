"""Topics and records.

GET   /api/v1/kafka/clusters
GET   /api/v1/kafka/topics   /topics/<topic>
GET   /api/v1/kafka/topics/<topic>/records?from=-50&search=REGEX&limit=200&partition=0
GET   /api/v1/kafka/topics/<topic>/events      server-sent events: `records`, as they come
POST  /api/v1/kafka/topics/<topic>/records     {"key": ..., "value": ..., "headers": {...}}
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Collection
from datetime import datetime
from functools import partial
from typing import Any, cast

from quart import Blueprint, Response, request

from pywatt.errors import ControlError
from pywatt.logs.search.time_limit import SECONDS, BoundedSearch
from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.consuming.without_group.partition_reader import PartitionReader
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.records import Message, TopicPartition
from pywatt_services.dashboard.event_stream import event_stream
from pywatt_services.dashboard.kafka.clusters import AppClusters
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.positions import parse_start
from pywatt_services.kafka_cli.records.consume import partitions_of, read_records, start_offsets
from pywatt_services.kafka_cli.records.record_input import record_from_json
from pywatt_services.kafka_cli.records.record_view import matches, record_document

MOST_RECORDS = 1000
SEARCH_SECONDS = 10.0
SHOWN_BYTES = 64 * 1024
"""Bytes of a value that a list shows; a page of a thousand large records would be of no use."""
BATCH_RECORDS = 200
"""Records of one event of a tail; the rest of a burst is counted, not sent."""


def topic_routes(clusters: AppClusters) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("topics", __name__)

    async def cluster() -> Cluster:
        return await clusters.chosen(request.args.get("cluster"))

    @routes.get("/clusters")
    async def list_clusters() -> dict[str, Any]:
        return {
            "clusters": [
                {"service": each.service, "brokers": list(each.addresses()), "kafkaHooks": each.is_kafka_hooks}
                for each in await clusters.all()
            ]
        }

    @routes.get("/topics")
    async def list_topics() -> dict[str, Any]:
        chosen = await cluster()
        async with Admin(chosen.brokers, security=chosen.security) as admin:
            found = await admin.list_topics()
        rows = [{"topic": each.name, "partitions": each.partitions, "records": each.records} for each in found]
        return {"topics": rows}

    @routes.get("/topics/<topic>")
    async def describe(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        async with Admin(chosen.brokers, security=chosen.security) as admin:
            (found,) = await admin.describe_topics([topic])
            configs = {} if admin.is_embedded else await admin.describe_configs("topic", topic)
        return {
            "topic": found.name,
            "partitions": [
                {
                    "partition": part.number,
                    "leader": part.leader,
                    "replicas": list(part.replicas),
                    "inSyncReplicas": list(part.in_sync_replicas),
                    "beginning": part.beginning,
                    "end": part.end,
                }
                for part in found.partitions
            ],
            "configs": {config.name: config.value for config in configs.values() if not config.is_default},
        }

    @routes.get("/topics/<topic>/records")
    async def records(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        limit = max(1, min(int(request.args.get("limit", "200")), MOST_RECORDS))
        start = parse_start(request.args.get("from", "-50"), datetime.now().astimezone())
        pattern = re.compile(text) if (text := request.args.get("search")) else None
        numbers = [int(number) for number in request.args.getlist("partition")]
        async with Admin(chosen.brokers, security=chosen.security) as admin:
            places = await partitions_of(admin, [topic], numbers)
            ends = await admin.list_offsets(places, "latest", read_committed=True)
            starts = await start_offsets(admin, start, ends)
        found: list[Message] = []
        search = BoundedSearch()

        def take(message: Message) -> bool:
            if pattern is None or search.finds(partial(matches, message, pattern)):
                found.append(message)
            return len(found) >= limit or search.given_up

        complete = True
        async with PartitionReader(chosen.brokers, starts, security=chosen.security) as reader:
            try:
                async with asyncio.timeout(SEARCH_SECONDS):
                    await read_records(reader, ends, starts, take)
            except TimeoutError:
                complete = False
        if search.given_up:
            hint = "write it without a repeat inside a repeat, such as (a+)+"
            raise ControlError(f"the expression {text!r} takes more than {SECONDS:g} s for one record", hint=hint)
        found.sort(key=lambda message: (message.timestamp, message.partition, message.offset), reverse=True)
        return {"records": [shown_record(each) for each in found], "complete": complete and len(found) < limit}

    @routes.get("/topics/<topic>/events")
    async def tail(topic: str) -> Response:
        chosen = await cluster()
        return event_stream(_tail(chosen, topic, [int(number) for number in request.args.getlist("partition")]))

    @routes.post("/topics/<topic>/records")
    async def publish(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        record = record_from_json(cast(bytes, await request.get_data()))
        partition = request.args.get("partition")
        async with Producer[bytes, Any](chosen.brokers, security=chosen.security) as producer:
            place = await producer.send(
                topic,
                record.value,
                key=record.key,
                headers=record.headers,
                partition=int(partition) if partition else None,
            )
        return {"topic": topic, "partition": place.partition, "offset": place.offset}

    return routes


def shown_record(message: Message) -> dict[str, Any]:
    """Return a record for a list: a long value is cut, and its size told (pure)."""
    document = record_document(message)
    size = len(message.value or b"")
    if size > SHOWN_BYTES:
        document["value"] = (message.value or b"")[:SHOWN_BYTES].decode("utf-8", "replace")
        document["cut"] = True
    return {**document, "size": size}


async def _tail(cluster: Cluster, topic: str, numbers: Collection[int]) -> AsyncGenerator[tuple[str, Any], None]:
    async with Admin(cluster.brokers, security=cluster.security) as admin:
        places = await partitions_of(admin, [topic], numbers)
        ends = await admin.list_offsets(places, "latest", read_committed=True)
    yield "begun", {"partitions": len(places)}
    starts = {TopicPartition(place.topic, place.partition): end for place, end in ends.items()}
    async with PartitionReader(cluster.brokers, starts, security=cluster.security) as reader:
        while True:
            messages = await reader.fetch()
            if messages:
                shown = [shown_record(each) for each in messages[-BATCH_RECORDS:]]
                yield "records", {"records": shown, "skipped": len(messages) - len(shown)}
