"""Records reach their target through crashes of any part; PYWATT_SOAK_SECONDS=3600 runs for an hour.

Two instances of an app, and now and then a third, deliver what is written meanwhile, while their workers, supervisors
and the broker are killed, the network is cut, instances come and go, and the target fails at random. In the end no
record is lost or out of order, none was repeated but what was in flight, and every refused one is a dead letter.
"""

from __future__ import annotations

import asyncio
import base64
import itertools
import json
import os
import random
import signal
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import anyio
import pytest
from aiokafka import AIOKafkaConsumer
from harness.app import RunningApp, run_pywatt, write_files
from harness.hooks import Received, Target
from harness.soak_check import Disturbance, Place, Run, Seen
from harness.tcp_proxy import TcpProxy, tcp_proxy

from pywatt_kafka import KafkaError, Producer, ensure_topics
from pywatt_kafka.brokers.apache import RealBroker

SECONDS = float(os.environ.get("PYWATT_SOAK_SECONDS", "25"))
SEED = int(os.environ.get("PYWATT_SOAK_SEED", str(random.randrange(1_000_000))))
SETTLE = 120.0  # seconds for what is left when nothing is disturbed any more
PARTITIONS, KEYS = 4, 60
PAUSE = 0.1  # seconds between two records of a key
ATTEMPTS = 5
POISON_EVERY = 97
REFUSED, SLOW, SLOWEST = 0.04, 0.02, 1.2  # parts of the requests; seconds
COMMITTED = 1.5  # seconds after which what is done must have been committed
BETWEEN = (1.0, 5.0)  # seconds between two disturbances
SESSION = 6.0  # seconds
LASTING = {
    "kill_a_worker": SLOWEST + 0.5,  # the target may still be at what a killed worker sent
    "kill_a_supervisor": SLOWEST + 0.5,
    "kill_the_broker": SESSION + 4.0,  # clients come back, and the group may have to form anew
    "cut_the_network": SESSION,
    "one_joins_or_leaves": SESSION,
}
"""Seconds beyond the end of a disturbance in which finished records may stay uncommitted."""

pytestmark = [pytest.mark.anyio, pytest.mark.timeout(SECONDS + SETTLE + 180)]


@dataclass
class Soak:
    """The state of one run: its processes, written records and received requests."""

    folder: Path
    topic: str
    broker: RealBroker
    proxy: TcpProxy
    rng: random.Random
    target: Target = field(default_factory=Target)
    apps: dict[str, RunningApp] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    disturbances: list[Disturbance] = field(default_factory=list)
    target_is_down: bool = False
    calm: bool = False
    stack: ExitStack = field(default_factory=ExitStack)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.proxy.port}"

    # The target.

    async def answer(self, request: Received) -> int:
        """Refuse poison always, others at random, everything while it is down."""
        place = int(request.headers["x-plt-kafka-hooks-partition"]), int(request.headers["x-plt-kafka-hooks-offset"])
        draw = self.rng.random()
        status = 200
        if poisonous(request.body) or self.target_is_down:
            status = 503
        elif not self.calm and draw < REFUSED:
            status = self.rng.choice((500, 429, 404))
        elif not self.calm and draw < REFUSED + SLOW:
            await anyio.sleep(self.rng.random() * SLOWEST)
        self.seen.append(Seen(time.monotonic(), place, int(request.headers["x-plt-kafka-hooks-attempt"]), status))
        return status

    # The app.

    def files(self) -> dict[str, str | dict[str, Any]]:
        hooks = {
            "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
            "brokers": [self.address],
            "topics": [
                {
                    "topic": self.topic,
                    "url": f"http://{self.target.address.removeprefix('tcp:')}/hook",
                    "retries": ATTEMPTS,
                    "retryDelay": 1000,
                    "dlq": f"{self.topic}-dlq",
                }
            ],
            "consumer": {"groupId": f"{self.topic}-group", "sessionTimeout": int(SESSION * 1000)},
        }
        return {
            "watt.json": {"web": [{"id": "kafka-hooks", "path": "web/kafka-hooks"}]},
            "web/kafka-hooks/platformatic.json": hooks,
        }

    async def start(self, name: str) -> None:
        folder = self.folder / name
        await anyio.to_thread.run_sync(write_files, folder, self.files())
        self.apps[name] = self.stack.enter_context(run_pywatt(folder))

    async def stop(self, name: str, number: int) -> None:
        app = self.apps.pop(name)
        if number == signal.SIGTERM:  # before it has begun to log, a signal may find no handler
            await anyio.to_thread.run_sync(app.wait_for, bool)
        status = await anyio.to_thread.run_sync(app.stop, number)
        assert status == (0 if number == signal.SIGTERM else -number), app.output

    # What is done to it.

    async def kill_a_worker(self) -> None:
        app = self.apps[self.rng.choice(sorted(self.apps))]
        pid = await anyio.to_thread.run_sync(app.worker_pid, "kafka-hooks")
        try:
            os.kill(pid, signal.SIGKILL)
        except ProcessLookupError:
            return

    async def kill_a_supervisor(self) -> None:
        name = self.rng.choice(sorted(self.apps))
        await self.stop(name, signal.SIGKILL)
        await self.start(name)

    async def kill_the_broker(self) -> None:
        await anyio.to_thread.run_sync(self.broker.kill)
        await anyio.to_thread.run_sync(self.broker.start)

    async def cut_the_network(self) -> None:
        self.proxy.cut()
        await anyio.sleep(self.rng.random() * 3)
        self.proxy.mend()

    async def one_joins_or_leaves(self) -> None:
        if "third" in self.apps:
            await self.stop("third", signal.SIGTERM)
        else:
            await self.start("third")

    async def the_target_goes_down(self) -> None:
        self.target_is_down = True
        await anyio.sleep(self.rng.random() * 3)  # shorter than all attempts take
        self.target_is_down = False

    async def disturb(self) -> None:
        """Do one thing after another, each at least once."""
        whats: list[Callable[[], Awaitable[None]]] = [
            self.kill_a_worker, self.kill_a_supervisor, self.kill_the_broker, self.cut_the_network,
            self.one_joins_or_leaves, self.one_joins_or_leaves, self.the_target_goes_down, self.kill_a_worker,
        ]  # fmt: skip
        until = time.monotonic() + SECONDS
        for number in itertools.count():
            self.rng.shuffle(whats)
            for what in whats:
                if number and time.monotonic() > until:
                    return
                await anyio.sleep(self.rng.uniform(*BETWEEN))
                begun = time.monotonic()
                await what()
                if (lasting := LASTING.get(what.__name__)) is not None:
                    self.disturbances.append(Disturbance(what.__name__, begun, time.monotonic() + lasting))

    # What is written, and what comes of it.

    async def write(self, producer: Producer, key: int) -> None:
        """Write the records of one key, one after the other, until cancelled."""
        for number in itertools.count():
            while True:
                try:
                    await producer.send(self.topic, b"%d:%d" % (key, number), key=b"key-%d" % key)
                    break
                except KafkaError:
                    continue
            await anyio.sleep(PAUSE * 2 * self.rng.random())

    async def written(self) -> dict[Place, tuple[bytes, bytes]]:
        """Return key and value of all that is in the topic."""
        found: dict[Place, tuple[bytes, bytes]] = {}
        async with AIOKafkaConsumer(
            self.topic, bootstrap_servers=self.address, auto_offset_reset="earliest"
        ) as consumer:
            ends = await consumer.end_offsets(consumer.assignment())
            while len(found) < sum(ends.values()):
                for place, batch in (await consumer.getmany(timeout_ms=500)).items():
                    for record in batch:
                        found[place.partition, record.offset] = (record.key or b"", record.value or b"")
        return found

    async def letters(self, enough: Callable[[dict[Place, int]], bool]) -> dict[Place, int]:
        """Read dead letters until there are enough, or time is up: then some are missing."""
        found: dict[Place, int] = {}
        async with AIOKafkaConsumer(
            f"{self.topic}-dlq", bootstrap_servers=self.address, auto_offset_reset="earliest"
        ) as consumer:
            with anyio.move_on_after(SETTLE):
                while not enough(found):
                    for batch in (await consumer.getmany(timeout_ms=500)).values():
                        for record in batch:
                            letter = json.loads(record.value or b"{}")
                            found[letter["partition"], int(letter["offset"])] = letter["retries"]
                            assert base64.b64decode(letter["value"])
        return found


def poisonous(value: bytes) -> bool:
    key, _, number = value.partition(b":")
    return (int(key) * 31 + int(number)) % POISON_EVERY == 0


@asynccontextmanager
async def soak(folder: Path, topic: str) -> AsyncIterator[Soak]:
    async with tcp_proxy() as proxy:
        properties = {"advertised.listeners": f"PLAINTEXT://127.0.0.1:{proxy.port}"}
        async with RealBroker(folder / "kafka", properties=properties) as broker:
            proxy.leads_to(int(broker.address.rpartition(":")[2]))
            made = Soak(folder, topic, broker, proxy, random.Random(SEED))
            made.target.handler = made.answer
            server = await asyncio.start_server(made.target.serve, "127.0.0.1", 0)
            host, port = server.sockets[0].getsockname()[:2]
            made.target.address = f"tcp:{host}:{port}"
            try:
                yield made
            finally:
                await anyio.to_thread.run_sync(made.stack.close)
                server.close()


async def test_nothing_is_lost_repeated_or_out_of_order(
    kafka_at_hand: None, tmp_path: Path, topic: str, capsys: pytest.CaptureFixture[str]
) -> None:
    async with soak(tmp_path, topic) as run:
        await ensure_topics(run.address, [topic, f"{topic}-dlq"], partitions=PARTITIONS)
        for name in ("first", "second"):
            await run.start(name)
        async with Producer(run.address) as producer, anyio.create_task_group() as writing:
            for key in range(KEYS):
                writing.start_soon(run.write, producer, key)
            await run.disturb()
            writing.cancel_scope.cancel()
        run.calm = True
        written = await run.written()
        taken: set[Place] = set()

        def all_done(letters: dict[Place, int]) -> bool:
            taken.update(each.place for each in run.seen if each.taken)
            missing = written.keys() - taken - letters.keys()
            return (
                not missing and {place for place, (_, value) in written.items() if poisonous(value)} <= letters.keys()
            )

        letters = await run.letters(all_done)
        for name in sorted(run.apps):
            await run.stop(name, signal.SIGTERM)
    result = Run(
        written={place: key for place, (key, _) in written.items()},
        poisonous=frozenset(place for place, (_, value) in written.items() if poisonous(value)),
        seen=run.seen,
        letters=letters,
        disturbances=run.disturbances,
        attempts=ATTEMPTS,
        committed_after=COMMITTED,
    )
    problems = result.check()
    with capsys.disabled():
        print(
            f"\nsoak (seed {SEED}): {len(written)} records, {len(run.seen)} requests, {result.repeated} repeated, "
            f"{len(letters)} dead letters, {len(run.disturbances)} disturbances, {len(problems)} problems"
        )
    happened = [f"{each.what} {each.begun:.2f}-{each.over:.2f}" for each in run.disturbances]
    assert not problems, "\n".join([f"seed {SEED}", *problems, *happened])
