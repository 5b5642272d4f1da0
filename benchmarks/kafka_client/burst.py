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
    stall = stall_cpu = 0.0

    async def watch() -> None:
        nonlocal stall, stall_cpu
        while True:
            begun, cpu = time.perf_counter(), time.thread_time()
            await asyncio.sleep(TICK)
            stall = max(stall, time.perf_counter() - begun - TICK)
            stall_cpu = max(stall_cpu, time.thread_time() - cpu)

    begun, cpu = time.perf_counter(), time.process_time()
    watching = asyncio.ensure_future(watch())  # first in the queue of the loop: it sees how long all sends take
    tasks = [asyncio.ensure_future(send(number)) for number in range(SENDS)]
    created = time.process_time() - cpu
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    seconds, spent = time.perf_counter() - begun, time.process_time() - cpu
    watching.cancel()
    return {
        "failed": sum(isinstance(outcome, BaseException) for outcome in outcomes),
        "seconds": seconds,
        "cpu": spent,
        "created": created,
        "stall": stall,
        "stall_cpu": stall_cpu,
        "megabytes": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024,
    }


def ours(engine: Any) -> Callable[[Task], Awaitable[dict[str, float]]]:
    """Return the program of `Producer.send`."""

    async def program(task: Task) -> dict[str, float]:
        from pywatt_kafka import Producer

        async with Producer(task.broker, engine=engine) as producer:
            return await _measure(lambda number: producer.send(task.topic, task.value, key=b"%d" % number))

    return program
