"""Runs one program in a process of its own: a line with a number of records comes in, what they cost goes out.

python -m benchmarks.kafka_client.worker PROGRAM BROKER TOPIC BYTES
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Mapping
from typing import Any

from benchmarks.kafka_client import burst, consuming, producing
from benchmarks.kafka_client.producing import Task

PROGRAMS: Mapping[str, Callable[[Task], Any]] = {
    "produce aiokafka: bare send": producing.bare_aiokafka,
    "produce aiokafka: bare send_and_wait": producing.bare_aiokafka_tasks,
    "produce rdkafka: bare produce": producing.bare_confluent,
    "produce rdkafka: bare batches": producing.bare_confluent_batches,
    "produce rdkafka: bare futures": producing.bare_confluent_futures,
    "produce rdkafka: bare AIOProducer": producing.bare_confluent_aio,
    **{
        f"produce {engine}: {method}": producing.ours(engine, method)
        for engine in ("aiokafka", "rdkafka")
        for method in producing.METHODS
    },
    "consume aiokafka: bare getmany": consuming.bare_aiokafka,
    "consume aiokafka: bare async for": consuming.bare_aiokafka_iterated,
    "consume rdkafka: bare consume": consuming.bare_confluent,
    "consume aiokafka: GroupReader": consuming.group_reader("aiokafka"),
    "consume aiokafka: Consumer async for": consuming.consumer("aiokafka"),
    "consume aiokafka: Consumer batches": consuming.batches("aiokafka"),
    "consume rdkafka: Consumer async for": consuming.consumer("rdkafka"),
    "consume rdkafka: Consumer batches": consuming.batches("rdkafka"),
    "consume rdkafka: GroupReader": consuming.group_reader("rdkafka"),
}
BURSTS: Mapping[str, Callable[[Task], Any]] = {
    "burst aiokafka: send": burst.ours("aiokafka"),
    "burst rdkafka: send": burst.ours("rdkafka"),
}


async def serve(program: Callable[[Task], Any], task: Task) -> None:
    """Work whenever a number comes in; report CPU seconds (since the last report) and seconds."""
    loop = asyncio.get_running_loop()
    async with program(task) as work:
        cpu = time.process_time()
        while line := (await loop.run_in_executor(None, sys.stdin.readline)).strip():
            begun = time.perf_counter()
            await work(int(line))
            seconds, spent = time.perf_counter() - begun, time.process_time()
            print(json.dumps({"seconds": seconds, "cpu": spent - cpu}), flush=True)
            cpu = spent


def main() -> None:
    """Serve a program, or run a burst."""
    name, broker, topic, size = sys.argv[1:]
    task = Task(broker, topic, b"x" * int(size))
    if name in BURSTS:
        print(json.dumps(asyncio.run(BURSTS[name](task))))
    else:
        asyncio.run(serve(PROGRAMS[name], task))


if __name__ == "__main__":
    main()
