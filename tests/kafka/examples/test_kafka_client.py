"""examples/kafka-client as a user runs it: on both engines, on each version of Kafka, and on the embedded broker."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import sys
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

import anyio
import pytest
from anyio.abc import Process
from anyio.streams.buffered import BufferedByteReceiveStream

from pywatt_kafka import Consumer, Producer
from pywatt_kafka.testing import broker as embedded_broker

pytestmark = pytest.mark.anyio

EXAMPLE = Path(__file__).parents[3] / "examples" / "kafka-client"
TESTED = {"test_orders", "settings"}
"""Modules that are no programs."""
LIMIT = 60.0  # seconds
LONGEST_LINE = 4096  # bytes


@pytest.fixture(params=["3.9", "4.2", "embedded"])
def cluster(request: pytest.FixtureRequest) -> Iterator[str]:
    """The address of a broker of each kind."""
    if request.param == "embedded":
        with embedded_broker() as running:
            yield running.address
    else:
        yield request.getfixturevalue("broker" if request.param == "3.9" else "broker_4_2")


@pytest.fixture(params=["aiokafka", "rdkafka"])
def environ(request: pytest.FixtureRequest, cluster: str) -> Mapping[str, str]:
    """The variables of the examples; the group is one of this test."""
    return {
        **os.environ,
        "KAFKA_BROKERS": cluster,
        "KAFKA_ENGINE": request.param,
        "KAFKA_GROUP_ID": f"group-{uuid.uuid4()}",
        "PYTHONWARNINGS": "error",
    }


def command(name: str, *arguments: str) -> list[str]:
    return [sys.executable, str(EXAMPLE / f"{name}.py"), *arguments]


async def output_of(name: str, environ: Mapping[str, str]) -> str:
    """Run an example to its end."""
    done = await anyio.run_process(command(name), env=environ, check=False)
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode()


@asynccontextmanager
async def running(name: str, *arguments: str, environ: Mapping[str, str]) -> AsyncIterator[BufferedByteReceiveStream]:
    """Run an example that has no end; gives its output."""
    process: Process
    async with await anyio.open_process(command(name, *arguments), env=environ, stderr=None) as process:
        assert process.stdout is not None
        try:
            yield BufferedByteReceiveStream(process.stdout)
        finally:
            process.send_signal(signal.SIGINT)


async def line_with(words: str, output: BufferedByteReceiveStream) -> str:
    """Return the next line of the output that has these words."""
    while words not in (line := (await output.receive_until(b"\n", LONGEST_LINE)).decode()):
        pass
    return line


async def test_programs_that_end(environ: Mapping[str, str]) -> None:
    with anyio.fail_after(LIMIT):
        sent, native, order = await asyncio.gather(
            *(output_of(name, environ) for name in ("producer", "rdkafka_engine", "schema_registry"))
        )
    assert re.fullmatch(
        r"Sent: RecordPosition\(topic='events', partition=\d+, offset=\d+\)\n"
        r"Sent: events\[\d+\] at offset \d+\nFlushed: 1000\n",
        sent,
    )
    assert native == "Received: from librdkafka\n"
    assert order == "Received: Order(id=7, total=12.5)\n"


async def test_consumers_print_what_is_sent(environ: Mapping[str, str]) -> None:
    text = str(uuid.uuid4())
    brokers = environ["KAFKA_BROKERS"]
    with anyio.fail_after(LIMIT):
        async with Producer(brokers) as producer:
            await producer.send("my-topic", text.encode(), key=b"k")
            await producer.send("my-events", b"not JSON")
            await producer.send("my-events", f'{{"name": "{text}", "action": "login"}}'.encode(), key=b"user-1")
            for total in (5, -1, 7):
                await producer.send("work", b'{"total": %d}' % total, key=text.encode())
        async with (
            running("consumer", environ=environ) as plain,
            running("consumer_in_python", environ=environ) as typed,
            running("event_consumer", environ=environ) as events,
            running(
                "event_consumer", "--in-python", environ={**environ, "KAFKA_GROUP_ID": f"{text}-decorated"}
            ) as decorated,
            running("worker", environ=environ) as worker,
        ):
            assert await line_with(text, plain) == f"Received: {text}"
            assert await line_with(text, typed) == f"Received: user-1 login by {text}"
            assert await line_with(text, events) == await line_with(text, decorated) == f"Received: {text}"
            assert [await line_with(text, worker) for _ in "ab"] == [f"Handled: {text} 5", f"Handled: {text} 7"]
        async with Consumer(text, brokers, topics=["work-dlq"]) as consumer:
            async for message in consumer:
                if text in (message.value or b"").decode():
                    assert b"an order has no negative total" in (message.value or b"")
                    break


def test_every_program_is_run() -> None:
    names = {path.stem for path in EXAMPLE.glob("*.py")} - TESTED
    source = Path(__file__).read_text()
    assert {name for name in names if f'"{name}"' not in source} == set()
