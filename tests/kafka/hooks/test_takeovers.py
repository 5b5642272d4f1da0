"""A successor or a joining member repeats no finished record and keeps the number of attempts."""

from __future__ import annotations

import itertools
import json
import time
from collections import Counter
from collections.abc import Sequence
from functools import partial
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, Received, RunHooks, Target, accept

from pywatt_kafka import Producer, ensure_topics

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"], indirect=True)]

TOTAL = 300
STUCK = {b"0", b"150", b"299"}


def document(broker: str, topic: str, **webhook: Any) -> dict[str, Any]:
    return {
        "brokers": [broker],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook", "retries": 20, "retryDelay": 250, **webhook}],
        "consumer": {"groupId": f"group-{topic}"},
    }


async def fill(producer: Producer, topic: str, partitions: int = 1) -> None:
    with anyio.fail_after(LONG):
        async with anyio.create_task_group() as tasks:
            for number in range(TOTAL):
                tasks.start_soon(send, producer, topic, number, number % partitions)


async def send(producer: Producer, topic: str, number: int, partition: int) -> None:
    await producer.send(topic, b"%d" % number, key=b"%d" % number, partition=partition)


async def is_reading(hooks: Hooks) -> None:
    """Wait until the worker has partitions."""
    with anyio.fail_after(LONG):
        while True:
            answer = await hooks.mesh.request("GET", f"http://127.0.0.1:{hooks.port}/why", timeout=LONG)
            if json.loads(answer.body)["partitions"]:
                return


def at_least(count: int, requests: Sequence[Received]) -> bool:
    return len(requests) >= count


def bodies(target: Target) -> set[bytes]:
    return {request.body for request in target.requests}


async def test_successor_repeats_only_what_was_not_done_and_goes_on_counting_attempts(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    async def refuse_some(request: Received) -> int:
        return 500 if request.body in STUCK else 200

    target.handler = refuse_some
    await fill(producer, topic)
    attempts = Counter[bytes]()
    for _ in range(3):
        target.requests.clear()
        before = dict(attempts)
        async with run_hooks(document(broker, topic)):
            await target.wait_for(lambda requests: len(requests) >= len(STUCK) * 2 and bodies(target) >= STUCK)
        for request in target.requests:
            attempts[request.body] += 1
            assert int(request.headers["x-plt-kafka-hooks-attempt"]) == attempts[request.body]
        if before:
            assert bodies(target) == STUCK
    assert {body for body, count in attempts.items() if count > 1} == STUCK
    assert len(attempts) == TOTAL


async def test_restarts_neither_shorten_a_pause_nor_use_up_attempts(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer, read_records: ReadRecords
) -> None:
    pause = 4.0
    made: list[tuple[float, int]] = []

    async def refuse(request: Received) -> int:
        made.append((time.time(), int(request.headers["x-plt-kafka-hooks-attempt"])))
        return 503

    target.handler = refuse
    config = document(broker, topic, retries=3, retryDelay=int(pause * 1000), dlq=f"{topic}-dlq")
    await producer.send(topic, b"0", key=b"0")
    for attempts in (1, 1, 1, 2, 3):
        async with run_hooks(config) as hooks:
            await target.wait_for(partial(at_least, attempts))
            await is_reading(hooks)
    (letter,) = await read_records(f"{topic}-dlq", 1)
    assert json.loads(letter.value or b"")["retries"] == 3
    assert [number for _, number in made] == [1, 2, 3]
    times = [moment for moment, _ in made]
    assert min(later - earlier for earlier, later in itertools.pairwise(times)) >= pause - 0.1


async def test_members_that_join_and_leave_repeat_nothing(
    broker: str, topic: str, run_hooks: RunHooks, target: Target, producer: Producer
) -> None:
    async def refuse_some(request: Received) -> int:
        return 500 if request.body in STUCK else 200

    target.handler = refuse_some
    await ensure_topics(broker, [topic], partitions=4)
    config = document(broker, topic, retries=1000)
    await fill(producer, topic, 4)
    async with run_hooks(config):
        await target.wait_for(lambda _: len(bodies(target)) == TOTAL)
        async with run_hooks(config, slot=1):
            await all_stuck_again(target)
            target.handler = accept
            await all_stuck_again(target)
    counts = Counter(request.body for request in target.requests)
    assert {body for body, count in counts.items() if count > 1} == STUCK
    for body in STUCK:
        numbers = [
            int(request.headers["x-plt-kafka-hooks-attempt"]) for request in target.requests if request.body == body
        ]
        assert numbers == list(range(1, len(numbers) + 1))


async def all_stuck_again(target: Target) -> None:
    seen = len(target.requests)
    await target.wait_for(lambda requests: {request.body for request in requests[seen:]} >= STUCK)
