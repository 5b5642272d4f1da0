"""Tests of a user run with a broker in memory: as a fixture, as a context manager, several at once."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

CONFTEST = 'pytest_plugins = ["pywatt_kafka.testing.fixtures"]\n'
TESTS = '''
import asyncio

import pytest

from pywatt_kafka import GroupReader, KafkaError, Producer, TailReader
from pywatt_kafka.testing import MemoryBroker, broker

ENGINES = pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])


async def application(engine):
    """Know no address: KAFKA_BROKERS has it."""
    async with Producer(engine=engine) as producer, GroupReader(group="g", topics=["orders"], engine=engine) as reader:
        await producer.send("orders", b"1", key=b"k", headers=[("h", b"x")])
        async for message in reader:
            await reader.commit_through(message)
            return message


@ENGINES
def test_an_application_finds_the_fixture(kafka_broker, engine):
    kafka_broker.create_topic("orders", partitions=3)
    message = asyncio.run(application(engine))
    assert (message.key, message.value, message.headers) == (b"k", b"1", (("h", b"x"),))


def test_each_test_has_a_broker_of_its_own(kafka_broker):
    kafka_broker.create_topic("orders", partitions=3)
    with pytest.raises(KafkaError, match="topic orders cannot be created .* already exists"):
        kafka_broker.create_topic("orders")


@ENGINES
def test_brokers_run_beside_each_other_and_one_can_go_away(engine):
    async def send_to_both(one, other):
        async with Producer(one.address, engine=engine) as first, Producer(other.address, engine=engine) as second:
            assert (await first.send("a", b"1", partition=0)).offset == 0
            with one.away():
                sending = asyncio.ensure_future(first.send("a", b"2", partition=0))
                assert (await second.send("a", b"3", partition=0)).offset == 0
                assert not sending.done()
            assert (await sending).offset == 1

    with broker() as one, broker(nodes=2) as other:
        assert isinstance(one, MemoryBroker)
        assert len({*one.address.split(","), *other.address.split(",")}) == 3
        asyncio.run(send_to_both(one, other))
'''


def test_a_users_tests_pass(tmp_path: Path) -> None:
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "test_orders.py").write_text(TESTS)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-W", "error", "--rootdir", "."]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=100, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "5 passed" in done.stdout
