"""Begins very many sends at once, and watches the event loop and the memory meanwhile."""

from __future__ import annotations

import asyncio
import resource
import time
from collections.abc import Awaitable, Callable
from typing import Any

from benchmarks.kafka_client.producing import Task

SENDS = 100_000
TICK = 0.005  # seconds


async def _measure(send: Callable[[int], Awaitable[Any]]) -> dict[str, float]:
    await send(0)  # the topic is known
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    stall = 0.0

    async def watch() -> None:
        nonlocal stall
        while True:
            begun = time.perf_counter()
            await asyncio.sleep(TICK)
            stall = max(stall, time.perf_counter() - begun - TICK)

    watching = asyncio.ensure_future(watch())
    await asyncio.sleep(TICK)
    begun, cpu = time.perf_counter(), time.process_time()
    outcomes = await asyncio.gather(*(send(number) for number in range(SENDS)), return_exceptions=True)
    seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    watching.cancel()
    return {
        "failed": sum(isinstance(outcome, BaseException) for outcome in outcomes),
        "seconds": seconds,
        "cpu": spent,
        "stall": stall,
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def ours(engine: Any) -> Callable[[Task], Awaitable[dict[str, float]]]:
    """Return the program of `Producer.send`."""

    async def program(task: Task) -> dict[str, float]:
        from pywatt_kafka import Producer

        async with Producer(task.broker, engine=engine) as producer:
            return await _measure(lambda number: producer.send(task.topic, task.value, key=b"%d" % number))

    return program
