"""The counters of Kafka clients in services, on the app's page."""

from __future__ import annotations

from pathlib import Path

import anyio
import httpx
import pytest
from harness.app import PATIENCE, run_pywatt, write_files
from harness.apps import GATEWAY, Files
from harness.scraping import metrics_url, scrape_until, total

from pywatt_kafka import ensure_topics

pytestmark = pytest.mark.anyio

WORKER = """
import asyncio, os
from pywatt_kafka import Call, Consumer, Producer, Responder

TOPIC, ENGINE = os.environ["TOPIC"], os.environ["ENGINE"]
responder = Responder(f"{TOPIC}-requests", f"{TOPIC}-responses", group=f"{TOPIC}-worker")

@responder
async def answer(call: Call) -> bytes:
    return call.body

async def handle(message):
    if message.value == b"bad":
        raise ValueError("it is bad")

async def consume():
    async with Consumer(group_id=f"{TOPIC}-group", engine=ENGINE) as consumer:
        stream = await consumer.consume(topics=[TOPIC], mode="earliest")
        await stream.process(handle, retries=0, dlq=f"{TOPIC}-dlq")

async def main() -> None:
    async with Producer(engine=ENGINE) as producer:
        await producer.send(TOPIC, b"one")
        await producer.send(messages=[{"topic": TOPIC, "value": b"two"}, {"topic": TOPIC, "value": b"bad"}])
        await producer.enqueue(TOPIC, b"three")
        await producer.flush()
    async with asyncio.TaskGroup() as tasks:
        tasks.create_task(consume())
        await responder.run()
"""


def app_files(broker: str, topic: str) -> Files:
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "server": {"port": 0},
            "metrics": {"hostname": "127.0.0.1", "port": 0},
            "web": [{"id": name, "path": name} for name in ("gateway", "hooks", "worker")],
        },
        "gateway/watt.json": {**GATEWAY, "gateway": {"applications": [{"id": "hooks", "proxy": {"prefix": "/"}}]}},
        "hooks/watt.json": {
            "type": "kafka-hooks",
            "brokers": [broker],
            "publish": {"topics": [topic]},
            "requestResponse": [
                {"path": "/ask", "requestTopic": f"{topic}-requests", "responseTopic": f"{topic}-responses"}
            ],
        },
        "worker/main.py": WORKER,
    }


@pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])
async def test_they_are_counted(broker: str, topic: str, tmp_path: Path, engine: str) -> None:
    await ensure_topics(broker, [topic, f"{topic}-requests", f"{topic}-responses", f"{topic}-dlq"])
    write_files(tmp_path, app_files(broker, topic))
    with run_pywatt(tmp_path, env={"TOPIC": topic, "ENGINE": engine, "KAFKA_BROKERS": broker}) as app:
        url = await anyio.to_thread.run_sync(lambda: app.url)
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            assert (await http.post(f"{url}/topics/{topic}", content=b"four")).status_code == 202
            assert (await http.post(f"{url}/ask", content=b"?")).status_code == 200
        page = await anyio.to_thread.run_sync(lambda: metrics_url(app))
        destination = {"messaging_destination_name": topic}
        handled = "messaging_process_duration_seconds_count"
        values = await anyio.to_thread.run_sync(
            lambda: scrape_until(page, lambda found: total(found, handled, service="worker", **destination) == 5)
        )
        assert await anyio.to_thread.run_sync(app.stop) == 0
    sent, read = "messaging_client_sent_messages_total", "messaging_client_consumed_messages_total"
    group = {"messaging_consumer_group_name": f"{topic}-group"}
    assert total(values, sent, service="worker", **destination) == 4
    assert total(values, sent, service="hooks", **destination) == 1
    assert total(values, "kafka_hooks_published_messages_total", service="hooks", topic=topic) == 1
    assert total(values, "kafka_hooks_published_messages_total", service="hooks", topic=f"{topic}-requests") == 1
    assert total(values, read, service="worker", **destination, **group) == 5
    assert total(values, handled, service="worker", error_type="ValueError", **destination) == 1
    assert total(values, handled, service="worker", messaging_destination_name=f"{topic}-requests") == 1
    durations = "messaging_client_operation_duration_seconds_count"
    assert total(values, durations, service="worker", messaging_operation_name="send", **destination) == 2
