"""`tracestate` and `baggage` of a request on every way that its record takes, with OpenTelemetry and without."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from harness.app import PATIENCE, run_pywatt, write_files
from harness.apps import GATEWAY, Files

from pywatt_kafka import ensure_topics
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.topic import open_dead_letter_topic

pytestmark = pytest.mark.anyio

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
HEADERS = {
    "traceparent": f"00-{TRACE}-00f067aa0ba902b7-01",
    "tracestate": "shop=1,other=a:b",
    "baggage": "tenant=7,city=K%C3%B6ln",
}
ATTEMPTS = 3

TARGET = """
from collections import Counter
import json, logging

seen = Counter()

async def app(scope, receive, send):
    assert scope["type"] == "http"
    body = (await receive())["body"]
    fields = {name.decode(): value.decode("latin-1") for name, value in scope["headers"]}
    carried = [fields.get(name) for name in ("traceparent", "tracestate", "baggage")]
    logging.warning("carried " + json.dumps([body.decode(), *carried]))
    seen[body] += 1
    status = 500 if body == b"order" and seen[body] < 3 else 200
    await send({"type": "http.response.start", "status": status, "headers": []})
    await send({"type": "http.response.body", "body": json.dumps(carried).encode()})
"""
RESPONDER = """
import json, os
import httpx
from pywatt_kafka import Call, Responder

TOPIC = os.environ["TOPIC"]
responder = Responder(f"{TOPIC}-requests", f"{TOPIC}-responses", group=f"{TOPIC}-worker")
client = httpx.AsyncClient()

@responder
async def ask(call: Call) -> bytes:
    headers = {name: value.decode() for name, value in call.message.headers}
    response = await client.post("http://target.plt.local/hook", content=b"from the responder")
    carried = [headers.get(name) for name in ("traceparent", "tracestate", "baggage")]
    return json.dumps([carried, response.json()]).encode()

async def main() -> None:
    await responder.run()
"""


def app_files(broker: str, topic: str, telemetry: dict[str, Any] | None) -> Files:
    webhook = {
        "topic": topic,
        "url": "http://target.plt.local/hook",
        "retries": 2,
        "retryDelay": 250,
        "retry": {"topic": True},
        "dlq": f"{topic}-dlq",
    }
    root: dict[str, Any] = {
        "entrypoint": "gateway",
        "server": {"port": 0},
        "web": [{"id": name, "path": name} for name in ("gateway", "hooks", "target", "worker")],
    }
    if telemetry is not None:
        root["telemetry"] = telemetry
    return {
        "watt.json": root,
        "gateway/watt.json": {**GATEWAY, "gateway": {"applications": [{"id": "hooks", "proxy": {"prefix": "/"}}]}},
        "hooks/watt.json": {
            "type": "kafka-hooks",
            "brokers": [broker],
            "publish": {"topics": [topic]},
            "topics": [webhook],
            "consumer": {"groupId": f"{topic}-group"},
            "requestResponse": [
                {"path": "/ask", "requestTopic": f"{topic}-requests", "responseTopic": f"{topic}-responses"}
            ],
        },
        "target/app.py": TARGET,
        "worker/main.py": RESPONDER,
    }


async def redrive_one(broker: str, topic: str) -> None:
    with anyio.fail_after(PATIENCE):
        while True:
            async with open_dead_letter_topic(broker, f"{topic}-dlq") as dead_letters:
                if (await dead_letters.redrive(Filter())).redriven:
                    return


@pytest.mark.parametrize(
    "telemetry", [None, {"exporter": {"type": "file"}, "instrumentations": ["pywatt_kafka"]}], ids=["plain", "spans"]
)
async def test_they_travel(broker: str, topic: str, tmp_path: Path, telemetry: dict[str, Any] | None) -> None:
    topics = [topic, f"{topic}-dlq", f"{topic}-retry", f"{topic}-requests", f"{topic}-responses"]
    await ensure_topics(broker, topics)
    write_files(tmp_path, app_files(broker, topic, telemetry))
    with run_pywatt(tmp_path, env={"TOPIC": topic, "KAFKA_BROKERS": broker}) as app:
        url = await anyio.to_thread.run_sync(lambda: app.url)
        async with httpx.AsyncClient(timeout=PATIENCE) as http:
            response = await http.post(f"{url}/topics/{topic}", content=b"order", headers=HEADERS)
            assert response.status_code == 202
            asked = await http.post(f"{url}/ask", content=b"?", headers=HEADERS)
            assert asked.status_code == 200, asked.text
        await redrive_one(broker, topic)

        def arrived() -> list[list[str]]:
            lines = (str(line["msg"]) for line in list(app.lines))
            found = [json.loads(text.removeprefix("carried ")) for text in lines if text.startswith("carried ")]
            return [carried for carried in found if carried[0] == "order"]

        await anyio.to_thread.run_sync(lambda: app.wait_for(lambda _: len(arrived()) == ATTEMPTS))
        assert await anyio.to_thread.run_sync(app.stop) == 0
    in_record, in_call = asked.json()
    for traceparent, tracestate, baggage in (*(each[1:] for each in arrived()), in_record, in_call):
        assert traceparent is not None
        assert traceparent.split("-")[1] == TRACE
        assert (tracestate, baggage) == (HEADERS["tracestate"], HEADERS["baggage"])
