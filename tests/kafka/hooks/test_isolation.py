"""A dead target does not delay another one of the same topic, and gets all records when it is back."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, nullcontext

import pytest
from harness.hooks import Received, RunHooks, Target

from pywatt_kafka import Producer

pytestmark = pytest.mark.anyio

RECORDS = 2000  # several fetches
KEYS = 100


@pytest.mark.parametrize("restart", [True, False])
async def test_dead_target_holds_up_no_other_of_its_topic_and_gets_all_in_order_when_it_is_back(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, restart: bool
) -> None:
    alive = False
    taken: dict[str, list[int]] = {"/dead": [], "/healthy": []}

    async def answer(request: Received) -> int:
        if request.path == "/dead" and not alive:
            return 500
        taken[request.path].append(int(request.body))
        return 200

    target.handler = answer
    await asyncio.gather(
        *(producer.send(topic, b"%d" % number, key=b"%d" % (number % KEYS)) for number in range(RECORDS))
    )
    entry = {"topic": topic, "retries": 1000, "retryDelay": 250}
    config = {
        "brokers": [broker],
        "topics": [{**entry, "url": f"http://api.plt.local/{path}"} for path in ("dead", "healthy")],
        "consumer": {"groupId": f"group-{topic}", "highWaterMark": 200},
    }
    async with AsyncExitStack() as first:
        await first.enter_async_context(run_hooks(config))
        await target.wait_for(lambda _: len(taken["/healthy"]) >= RECORDS)
        assert len({request.body for request in target.requests if request.path == "/dead"}) <= KEYS
        if restart:
            await first.aclose()
        alive = True
        async with run_hooks(config) if restart else nullcontext():
            await target.wait_for(lambda _: len(taken["/dead"]) >= RECORDS)
    for numbers in taken.values():  # each once: what the healthy one had got was kept over the restart
        assert sorted(numbers) == list(range(RECORDS))
    for key in range(KEYS):
        in_order = [number for number in taken["/dead"] if number % KEYS == key]
        assert in_order == sorted(in_order)
