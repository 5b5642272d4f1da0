"""`GET /health` of an app with the document's block `plugins`, as users start it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import anyio
import httpx
import pytest
from harness.app import RunningApp, run_pywatt, write_files
from harness.apps import ASGI_API, gateway_and_api
from harness.records import publish
from harness.user_document import ENVIRONMENT, LAG_PLUGIN, user_app

from pywatt_kafka import GroupReader, Offset, TopicPartition, ensure_topics

LONG = 60.0  # seconds
RECORDS = 20


def plugin(**options: Any) -> dict[str, Any]:
    """Return the document's block with other options."""
    block = json.loads(LAG_PLUGIN)
    block["plugins"][0]["options"].update(options)
    return dict(block)


def wait_for(app: RunningApp, fits: Callable[[httpx.Response], bool], path: str = "/health") -> httpx.Response:
    end = time.monotonic() + LONG
    while not fits(answer := app.get(path)):
        assert time.monotonic() < end, answer.text
    return answer


def commit(broker: str, group: str, topic: str, offset: int) -> None:
    """Commit an offset as a member of a group, which leaves then."""

    async def run() -> None:
        with anyio.fail_after(LONG):
            await ensure_topics(broker, [topic], partitions=1)
            async with GroupReader(broker, group=group, topics=[topic]) as reader:
                while not reader.assignment:
                    await reader.fetch(timeout=0.1)
                await reader.commit({TopicPartition(topic, 0): Offset(offset)})

    anyio.run(run)


def test_the_documents_block_in_the_documents_app(broker: str, tmp_path: Path) -> None:
    files = dict(user_app())
    root = json.loads(str(files["watt.json"]))
    files["watt.json"] = {**root, **plugin(groupId="watt-kafka-hooks", checkInterval=1000)}
    write_files(tmp_path, files)
    with run_pywatt(tmp_path, env={**ENVIRONMENT, "KAFKA_BROKERS": broker}) as app:
        publish(broker, "orders-created", [(b"k", b'{"id": 1}')])
        # one record is below the threshold: the app is healthy before it is committed, too
        answer = wait_for(app, lambda answer: 0 in answer.json().get("lag", {}).get("orders-created", {}).values())
        assert answer.status_code == 200
        assert answer.json().keys() == {"status", "lag"}
        assert answer.json()["status"] == "healthy"
        assert set(answer.json()["lag"]["orders-created"].values()) == {0}
        assert "partition-0" in answer.json()["lag"]["orders-created"]
        assert app.get("/health/details").json()["groups"]["watt-kafka-hooks"]["verdict"] == "ok"
        assert 'kafka_consumer_group_lag_records{group="watt-kafka-hooks"' in app.get("/health/metrics").text
        assert app.stop() == 0


@pytest.mark.parametrize("gateway", [True, False], ids=["gateway", "service"])
def test_lag_of_a_foreign_group_above_the_threshold_is_503_until_it_is_worked_off(
    broker: str, topic: str, tmp_path: Path, gateway: bool
) -> None:
    commit(broker, topic, topic, 0)
    publish(broker, topic, [(b"k", b"v")] * RECORDS)
    block = plugin(groupId=topic, lagThreshold=RECORDS - 1, checkInterval=500)
    if gateway:
        files = gateway_and_api(**block)
    else:
        files = {
            "watt.json": {"web": [{"id": "api", "path": "web/api"}], "server": {"port": "{PORT}"}},
            "web/api/app.py": ASGI_API,
            "web/api/watt.json": {"type": "python", **block},
        }
    write_files(tmp_path, files)
    with run_pywatt(tmp_path, env={"KAFKA_BROKERS": broker, "PORT": "0"}) as app:
        answer = wait_for(app, lambda answer: answer.status_code == 503)
        assert (answer.json()["status"], answer.json()["lag"]) == ("unhealthy", {topic: {"partition-0": RECORDS}})
        assert "the group has no member" in answer.json()["reasons"][0]
        assert app.get("/api/x" if gateway else "/x").json()["path"] == "/x"  # the rest is the app's as before
        commit(broker, topic, topic, RECORDS)
        # degraded for a moment, if a check saw the member that commits before it has
        answer = wait_for(app, lambda answer: answer.status_code == 200 and answer.json()["status"] != "degraded")
        assert answer.json() == {"status": "healthy", "lag": {topic: {"partition-0": 0}}}
        assert app.stop() == 0


def test_unknown_group_is_unknown_and_a_health_route_of_the_app_is_not_shadowed_without_a_word(
    broker: str, topic: str, tmp_path: Path
) -> None:
    root = {"web": [{"id": "api", "path": "web/api"}], "server": {"port": "{PORT}"}, **plugin(groupId=topic)}
    root["plugins"][0]["options"]["checkInterval"] = 500
    write_files(tmp_path, {"watt.json": root, "web/api/app.py": ASGI_API})
    with run_pywatt(tmp_path, env={"KAFKA_BROKERS": broker, "PORT": "0"}) as app:
        answer = wait_for(app, lambda answer: answer.json()["status"] == "unknown")
        assert "knows no such group" in answer.json()["reasons"][0]
        assert wait_for(app, lambda answer: answer.status_code == 503).json()["status"] == "unknown"
        app.wait_for(lambda line: "not by the service api, which answers it too" in str(line["msg"]))
        assert app.stop() == 0
    root["plugins"][0]["options"]["path"] = "/health/kafka"
    write_files(tmp_path, {"watt.json": root})
    with run_pywatt(tmp_path, env={"KAFKA_BROKERS": broker, "PORT": "0"}) as app:
        assert app.get("/health").json()["path"] == "/health"  # the app's own
        assert wait_for(app, lambda answer: answer.json()["status"] == "unknown", "/health/kafka").json()["lag"] == {}
        assert app.stop() == 0
