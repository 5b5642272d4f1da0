"""The Kafka client beside the bare libraries, in turns: CPU per record, records per second, and a burst of sends.

python -m benchmarks.kafka_client [--turns N] [--records N] [--bytes N ...] [--partitions N ...] [--only WORD]

Each program has a process of its own and works while the others wait. The ratios compare the CPU time of neighbouring
turns (of all threads); the rates depend on the broker and on what else the machine does. "In all" compares the sums of
all turns. Programs that read are compared by these sums alone, in which each of them reads the whole topic once: bare
confluent-kafka fetches up to 100,000 records in one turn, or between two of them, and none in the next ones.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import select
import statistics
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from benchmarks import topic, turns
from benchmarks.contestants import print_python
from benchmarks.kafka_client.worker import BURSTS, PROGRAMS
from pywatt_kafka.brokers.apache import RealBroker

TURNS = 9
RECORDS = 20_000  # of a turn
WARM = 2  # turns that are not counted ...
FEW = 500  # ... and their records, if they are read: what else is fetched meanwhile belongs to the next turn
LIMIT = 120.0  # seconds of one turn of one program
SIZES = (100, 1024)
PARTITIONS = (1, 4)
COMPARED = {
    # with the bare program of the same form: `send` with what awaits each delivery, `send(messages)` with a batch whose
    # results are kept, `enqueue` and `post` with one callback
    "produce aiokafka: send": "produce aiokafka: bare send_and_wait",
    "produce aiokafka: send(messages)": "produce aiokafka: bare send",
    "produce aiokafka: enqueue": "produce aiokafka: bare send",
    "produce aiokafka: post": "produce aiokafka: bare send",
    "produce rdkafka: send": "produce rdkafka: bare futures",
    "produce rdkafka: send(messages)": "produce rdkafka: bare batches",
    "produce rdkafka: bare AIOProducer": "produce rdkafka: bare futures",
    "produce rdkafka: enqueue": "produce rdkafka: bare produce",
    "produce rdkafka: post": "produce rdkafka: bare produce",
    "consume aiokafka: GroupReader": "consume aiokafka: bare getmany",
    "consume aiokafka: Consumer async for": "consume aiokafka: bare getmany",
    "consume aiokafka: Consumer batches": "consume aiokafka: bare getmany",
    "consume rdkafka: Consumer batches": "consume rdkafka: bare consume",
    "consume rdkafka: Consumer async for": "consume rdkafka: bare consume",
    "consume rdkafka: GroupReader": "consume rdkafka: bare consume",
}


@dataclass(frozen=True, slots=True)
class Cost:
    """The cost of the records of one turn."""

    cpu: float
    """Microseconds per record."""
    rate: float
    """Records per second."""


class Worker:
    """The process of one program."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def work(self, records: int) -> Cost:
        """Let it write or read so many records. Raises RuntimeError when it has ended, or does not finish in time."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(records, file=self._process.stdin, flush=True)
        if not select.select([self._process.stdout], [], [], LIMIT)[0]:
            self._process.kill()
            raise RuntimeError(f"{self._process.args!r} did not finish {records} records within {LIMIT:g} s")
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"{self._process.args!r} has ended")
        told = json.loads(line)
        return Cost(cpu=told["cpu"] / records * 1e6, rate=records / told["seconds"])


@contextmanager
def working(name: str, broker: str, topic_name: str, size: int) -> Iterator[Worker]:
    """Run a program; closing its input ends it."""
    command = [sys.executable, "-m", "benchmarks.kafka_client.worker", name, broker, topic_name, str(size)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        try:
            yield Worker(process)
        finally:
            assert process.stdin is not None
            process.stdin.close()
            process.wait()


def compare(broker: str, names: Sequence[str], partitions: int, size: int, *, count: int, records: int) -> None:
    """Measure programs in turns and print the figures of each."""
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    with ExitStack() as stack:
        full = asyncio.run(topic.create(broker, partitions=partitions))
        reads = any(name.startswith("consume") for name in names)
        warm = FEW if reads else records
        if reads:
            _fill(broker, full, size, count * records + WARM * warm)
        workers = {name: stack.enter_context(working(name, broker, full, size)) for name in names}
        for turn in range(count + WARM):
            for name in names if turn % 2 else reversed(names):
                cost = workers[name].work(records if turn >= WARM else warm)
                if turn >= WARM:
                    costs[name].append(cost)
    print(f"\n{size} bytes, {partitions} partition{'s' if partitions > 1 else ''}")
    average = statistics.mean if reads else statistics.median
    for name, each in costs.items():
        cpu, rate = average(cost.cpu for cost in each), statistics.median(cost.rate for cost in each)
        line = f"  {name:38} {cpu:6.2f} us CPU/record {rate:9,.0f} records/s"
        if (bare := costs.get(COMPARED.get(name, ""))) is not None:
            in_all = sum(cost.cpu for cost in each) / sum(cost.cpu for cost in bare)
            peer = COMPARED[name].rsplit(": ")[1]
            if reads:
                line += f"   {in_all:.2f} x CPU of {peer} in all"
            else:
                ratios = [own.cpu / other.cpu for own, other in zip(each, bare, strict=True)]
                line += f"   {turns.spread(ratios, '.2f')} x CPU of {peer}, {in_all:.2f} in all"
        print(line, flush=True)


def burst(broker: str, name: str, size: int) -> None:
    """Run a burst of sends and print what came of it."""
    full = asyncio.run(topic.create(broker, partitions=4))
    command = [sys.executable, "-m", "benchmarks.kafka_client.worker", name, broker, full, str(size)]
    told = json.loads(subprocess.run(command, stdout=subprocess.PIPE, check=True, text=True).stdout)
    print(
        f"  {name:20} {told['failed']} failed, {told['seconds']:.2f} s, {told['cpu']:.2f} s CPU"
        f" ({told['created']:.2f} s for the tasks); longest stall {told['stall']:.2f} s,"
        f" {told['stall_cpu']:.2f} s CPU; {told['megabytes']:.0f} MB",
        flush=True,
    )


def _fill(broker: str, name: str, size: int, records: int) -> None:
    with working("produce rdkafka: bare produce", broker, name, size) as worker:
        worker.work(records)


def main() -> None:
    """Measure all, or the programs whose names contain a word."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--turns", type=int, default=TURNS)
    parser.add_argument("--records", type=int, default=RECORDS)
    parser.add_argument("--bytes", type=int, nargs="+", default=SIZES)
    parser.add_argument("--partitions", type=int, nargs="+", default=PARTITIONS)
    parser.add_argument("--only", default="", help="a part of the programs' names, such as 'produce aiokafka'")
    options = parser.parse_args()
    if options.turns < 2:
        parser.error("--turns: quartiles need at least 2")
    print_python()
    with RealBroker() as kafka:
        for kind in ("produce aiokafka", "produce rdkafka", "consume aiokafka", "consume rdkafka"):
            names = [name for name in PROGRAMS if name.startswith(kind) and options.only in name]
            for size in options.bytes if names else ():
                for partitions in options.partitions:
                    compare(kafka.address, names, partitions, size, count=options.turns, records=options.records)
        bursts = [name for name in BURSTS if options.only in name]
        for size in options.bytes if bursts else ():
            print(f"\n100,000 sends begun at once, {size} bytes, 4 partitions")
            for name in bursts:
                burst(kafka.address, name, size)


if __name__ == "__main__":
    main()
