"""Workers with one static member id: a fenced one says so and stops; on one machine, none is fenced."""

from __future__ import annotations

import itertools
import os
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, RunHooks, Target

from pywatt_kafka import GroupReader, Membership, Producer, ensure_topics
from pywatt_services.kafka_hooks.consuming import member_id_lock
from pywatt_services.kafka_hooks.consuming.member_id_lock import subscription_mark

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]

HEARTBEAT = 300  # milliseconds


def document(broker: str, topic: str) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook"}],
        "consumer": {"groupId": topic, "groupInstanceId": "fixed", "heartbeatInterval": HEARTBEAT},
    }


async def test_worker_that_another_machine_fences_degrades_and_stops(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    elsewhere = Membership(group=topic, instance_id=f"fixed-0-{subscription_mark([topic], None)}")
    await producer.send(topic, b"first")
    async with run_hooks(document(broker, topic)) as hooks:
        await target.wait_for(lambda requests: len(requests) == 1)
        async with GroupReader(broker, membership=elsewhere, topics=[topic]) as other:
            await hooks.wait_for_degraded(True)
            assert "has taken the instance id fixed-0-" in str(hooks.reasons[-1])
            with anyio.fail_after(LONG):
                while not other.assignment:
                    await other.fetch(timeout=0.1)
            hooks.stop()
            with anyio.fail_after(LONG):
                await hooks.ended.wait()
            await producer.send(topic, b"second")
            # The stopped worker has left the group to its new member.
            with anyio.fail_after(LONG):
                async for message in other:
                    await other.commit_through(message)
                    if message.value == b"second":
                        break
    assert [request.body for request in target.requests] == [b"first"]


async def test_two_apps_on_one_machine_that_spell_the_brokers_differently_share_the_group(
    broker: str,
    topic: str,
    run_hooks: RunHooks,
    target: Target,
    producer: Producer,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    supervisors = itertools.count(1)
    monkeypatch.setattr(os, "getppid", lambda: next(supervisors))
    monkeypatch.setattr(member_id_lock, "STRANGER_WAIT", 0.01)
    await ensure_topics(broker, [topic], partitions=2)
    spelled = broker.replace("127.0.0.1", "localhost")
    assert spelled != broker
    async with run_hooks(document(broker, topic)) as first, run_hooks(document(spelled, topic)) as second:
        bodies = [b"%d" % number for number in range(20)]
        for number, body in enumerate(bodies):
            await producer.send(topic, body, partition=number % 2)
        await target.wait_for(lambda requests: {request.body for request in requests} >= {*bodies})
        assert not any(first.reasons + second.reasons)
    assert sorted(request.body for request in target.requests) == sorted(bodies)
