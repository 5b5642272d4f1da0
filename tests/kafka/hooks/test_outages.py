"""Kafka disconnects and returns: the worker reports it, rejects requests quickly, and recovers by itself."""

from __future__ import annotations

import socket
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness.hooks import RunHooks, Target

from pywatt_kafka import Producer
from pywatt_kafka.brokers.apache import RealBroker

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]


def document(broker: str, topic: str) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook"}],
        "requestResponse": [{"path": "/ask", "requestTopic": f"{topic}-q", "responseTopic": f"{topic}-a"}],
        "consumer": {"groupId": f"group-{topic}"},
    }


async def test_broker_that_dies_and_comes_back(
    own_broker: RealBroker, topic: str, run_hooks: RunHooks, target: Target
) -> None:
    async with run_hooks(document(own_broker.address, topic)) as hooks:
        assert (await hooks.post(f"/topics/{topic}", b"before")).status == 202
        await target.wait_for(lambda requests: len(requests) == 1)

        await anyio.to_thread.run_sync(own_broker.kill)
        await hooks.wait_for_degraded(True)
        assert "Kafka is away" in str(hooks.reasons[-1])
        for path in (f"/topics/{topic}", "/ask"):
            answer = await hooks.post(path, b"meanwhile")
            assert (answer.status, answer.header(b"retry-after")) == (503, b"1")

        await anyio.to_thread.run_sync(own_broker.start)
        await hooks.wait_for_degraded(False)
        assert (await hooks.post(f"/topics/{topic}", b"after")).status == 202
        await target.wait_for(lambda requests: requests[-1].body == b"after")
    assert {request.body for request in target.requests} == {b"before", b"after"}


async def test_worker_is_ready_without_a_broker_and_begins_when_it_comes(
    kafka_at_hand: None, topic: str, run_hooks: RunHooks, target: Target, tmp_path: Path
) -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
    async with AsyncExitStack() as broker_is_up, run_hooks(document(f"127.0.0.1:{port}", topic)) as hooks:
        await hooks.wait_for_degraded(True)
        assert (await hooks.post(f"/topics/{topic}", b"x")).status == 503
        broker = await broker_is_up.enter_async_context(RealBroker(tmp_path / "kafka", port=port))
        await hooks.wait_for_degraded(False)
        async with Producer(broker.address) as producer:
            await producer.send(topic, b"record")
        await target.wait_for(lambda requests: len(requests) == 1)
        assert (await hooks.post(f"/topics/{topic}", b"y")).status == 202
        await target.wait_for(lambda requests: len(requests) == 2)
