"""The worker: takes notifications as webhooks, and answers `process-requests` on `process-responses` by plain aiokafka.

`POST /async/process` at kafka-hooks becomes a record on the first topic; the record with the same correlation id on the
second one becomes its answer.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections import deque
from collections.abc import AsyncGenerator
from typing import Any

from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, ConsumerRecord
from aiokafka.errors import KafkaError
from quart import Quart, request

CORRELATION_ID = "x-plt-kafka-hooks-correlation-id"
RECONNECT_DELAY = 1.0  # seconds

log = logging.getLogger(__name__)
app = Quart(__name__)
notifications: deque[Any] = deque(maxlen=100)


@app.post("/notify")
async def notify() -> tuple[str, int]:
    notifications.append(await request.get_json(force=True))
    return "", 204


@app.get("/notifications")
async def list_notifications() -> list[Any]:
    return list(notifications)


@app.while_serving
async def consumer_task() -> AsyncGenerator[None]:
    async with asyncio.TaskGroup() as tasks:
        task = tasks.create_task(answer_requests())
        yield
        task.cancel()


async def answer_requests() -> None:
    """Answer requests for ever; start again when the broker is not there yet or refuses."""
    brokers = os.environ["KAFKA_BROKERS"]
    while True:
        consumer = AIOKafkaConsumer(
            "process-requests", bootstrap_servers=brokers, group_id="worker", auto_offset_reset="earliest"
        )
        producer = AIOKafkaProducer(bootstrap_servers=brokers)
        try:
            await consumer.start()
            await producer.start()
            async for record in consumer:
                await answer(record, producer)
        except KafkaError as error:
            log.warning("Kafka is away, trying again: %s", error)
        finally:
            await consumer.stop()
            await producer.stop()
        await asyncio.sleep(RECONNECT_DELAY)


async def answer(record: ConsumerRecord[bytes, bytes], producer: AIOKafkaProducer) -> None:
    """Send the answer to one request: here, its own body."""
    headers = dict(record.headers)
    if CORRELATION_ID not in headers:
        return
    try:
        status, body = 200, {"processed": json.loads(record.value or b"null")}
    except ValueError as error:
        status, body = 400, {"error": f"the request is not JSON: {error}"}
    await producer.send(
        "process-responses",
        json.dumps(body).encode(),
        headers=[
            (CORRELATION_ID, headers[CORRELATION_ID]),
            ("content-type", b"application/json"),
            ("x-status-code", str(status).encode()),
        ],
    )
