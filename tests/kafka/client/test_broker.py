"""The brokers for development: the embedded one, its service type, and the real one with its command.

The engines are tested against them elsewhere.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, Any, cast

import anyio
import pytest
from harness.kafka_cli import kafka

from pywatt.errors import MissingExtra
from pywatt.service_type import ServiceContext, StopRequest, load_type
from pywatt_kafka import GroupReader, Producer, TailReader, TopicPartition, consumer_lag, ensure_topics
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.brokers.embedded import EmbeddedBroker
from pywatt_kafka.connection.addresses import EMBEDDED_VARIABLE
from pywatt_kafka.errors import BrokerFailed, MissingDependency

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds


async def round_trip(address: str, topic: str, value: bytes, *, group: str) -> list[bytes | None]:
    """Write one record, and return the records that the group reads up to it."""
    async with Producer(address) as producer:
        await producer.send(topic, value)
    values: list[bytes | None] = []
    with anyio.fail_after(LONG):
        async with GroupReader(address, group=group, topics=[topic]) as consumer:
            async for message in consumer:
                await consumer.commit_through(message)
                values.append(message.value)
                if message.value == value:
                    break
    return values


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    pytest.importorskip("confluent_kafka")
    with EmbeddedBroker() as broker:
        yield broker.address


async def test_the_embedded_broker_serves_all_our_clients(embedded: str) -> None:
    async with TailReader(embedded, ["orders"]) as reader:
        with anyio.fail_after(LONG):
            await reader.wait_ready()
            assert await round_trip(embedded, "orders", b"1", group="g") == [b"1"]
            async for message in reader:
                assert message.value == b"1"
                break


async def test_the_embedded_broker_makes_topics_when_asked(embedded: str) -> None:
    assert await ensure_topics(embedded, ["made", "too"]) == {"made", "too"}
    assert await ensure_topics(embedded, ["made", "too"]) == frozenset()


async def test_lag_on_the_embedded_broker_finds_the_topics(embedded: str) -> None:
    await ensure_topics(embedded, ["lagging", "other"])
    async with Producer(embedded) as producer:
        await producer.send("lagging", b"x", partition=2)
        await producer.send("lagging", b"y", partition=2)
    assert await consumer_lag(embedded, "slow", ["lagging"]) == {"lagging": {0: 0, 1: 0, 2: 2, 3: 0}}
    assert await consumer_lag(embedded, "slow") == {}
    with anyio.fail_after(LONG):
        async with GroupReader(embedded, group="slow", topics=["lagging"]) as reader:
            async for message in reader:
                await reader.commit_through(message)
                break
    assert await consumer_lag(embedded, "slow") == {"lagging": {2: 1}}


async def test_a_group_of_several_members_reads_all_of_the_embedded_broker(
    embedded: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(EMBEDDED_VARIABLE, embedded)
    await ensure_topics(embedded, ["shared"], partitions=4)
    members: list[GroupReader] = []
    moved = asyncio.Event()

    class Listener:
        async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
            moved.set()

        async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
            moved.set()

    async def member() -> None:
        async with GroupReader(embedded, group="several", topics=["shared"], listener=Listener()) as consumer:
            members.append(consumer)
            while True:
                await consumer.fetch()

    async with anyio.create_task_group() as tasks:
        for _ in range(3):
            tasks.start_soon(member)
        with anyio.fail_after(20):
            while sorted(len(each.assignment) for each in members) != [1, 1, 2]:
                await moved.wait()
                moved.clear()
        tasks.cancel_scope.cancel()


def test_the_embedded_broker_without_its_package_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    with pytest.raises(MissingDependency) as caught, EmbeddedBroker():
        pass
    assert caught.value.hint == "pip install 'pywatt[embedded]'"


class Context:
    """The part of a ServiceContext that this service uses."""

    def __init__(self) -> None:
        self.exports: Mapping[str, str] = {}
        self.http = True
        self.is_ready = asyncio.Event()
        self.stop = asyncio.Event()

    async def ready(
        self, *, http: bool = True, address: str | None = None, exports: Mapping[str, str] | None = None
    ) -> None:
        self.http, self.exports = http, exports or {}
        self.is_ready.set()

    async def stop_requested(self) -> StopRequest:
        await self.stop.wait()
        return StopRequest(timeout=10.0)


async def test_the_service_exports_the_address_and_warns_loudly(caplog: pytest.LogCaptureFixture) -> None:
    pytest.importorskip("confluent_kafka")
    service_type = load_type("kafka-broker")
    options = service_type.configure({}, cast("Any", None)).options
    context = Context()
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(service_type.serve, options, cast("ServiceContext", context))
        with anyio.fail_after(LONG):
            await context.is_ready.wait()
        address = context.exports["KAFKA_BROKERS"]
        assert not context.http
        assert await round_trip(address, "orders", b"1", group="g") == [b"1"]
        (warning,) = [record for record in caplog.records if record.name == "pywatt.kafka_broker"]
        assert warning.levelname == "WARNING"
        assert "IN MEMORY" in warning.getMessage()
        assert address in warning.getMessage()
        context.stop.set()


async def test_the_service_without_its_package_names_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    service_type = load_type("kafka-broker")
    options = service_type.configure({"brokers": 2}, cast("Any", None)).options
    with pytest.raises(MissingExtra) as caught:
        await service_type.serve(options, cast("ServiceContext", Context()))
    assert caught.value.hint == "pip install 'pywatt[embedded]'"


async def test_data_outlives_a_stop_and_a_kill_of_the_real_broker(own_broker: RealBroker, topic: str) -> None:
    address = own_broker.address
    assert await round_trip(address, topic, b"1", group=topic) == [b"1"]
    await anyio.to_thread.run_sync(own_broker.stop)
    assert own_broker.pid is None
    await anyio.to_thread.run_sync(own_broker.start)
    assert own_broker.address == address
    assert await round_trip(address, topic, b"2", group=topic) == [b"2"]
    await anyio.to_thread.run_sync(own_broker.kill)
    await anyio.to_thread.run_sync(own_broker.start)
    assert await round_trip(address, topic, b"3", group=topic) == [b"3"]
    assert await round_trip(address, topic, b"4", group=f"{topic}-another") == [b"1", b"2", b"3", b"4"]


@pytest.mark.usefixtures("kafka_at_hand")
async def test_the_other_pinned_version_works_too_and_its_temporary_folder_goes() -> None:
    async with RealBroker(version="4.2") as broker:
        assert await round_trip(broker.address, "orders", b"1", group="g") == [b"1"]
        folder = broker.folder
    assert not folder.exists()


@pytest.mark.usefixtures("kafka_at_hand")
def test_a_port_that_is_taken_is_named() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with pytest.raises(BrokerFailed, match=str(port)), RealBroker(port=port):
            pass


@pytest.mark.usefixtures("kafka_at_hand")
def test_a_broker_that_does_not_start_shows_its_last_words(tmp_path: Path) -> None:
    with (
        pytest.raises(BrokerFailed, match=r"data folder(.|\n)*num\.io\.threads"),
        RealBroker(tmp_path, properties={"num.io.threads": "none"}),
    ):
        pass


@pytest.mark.usefixtures("kafka_at_hand")
def test_damaged_jars_are_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pywatt_kafka.brokers.apache.kafka_jars", lambda *_: tmp_path / "jars")
    with pytest.raises(BrokerFailed, match="ClassNotFound") as caught, RealBroker(tmp_path):
        pass
    assert str(tmp_path / "jars") in caught.value.hint


def lines_of(stream: IO[str]) -> Iterator[str]:
    return (line.rstrip("\n") for line in stream)


@contextmanager
def command(*arguments: str) -> Iterator[subprocess.Popen[str]]:
    """`pywatt kafka ...` in a separate process."""
    program = "from pywatt.cli import main; main()"
    environ = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [sys.executable, "-c", program, "kafka", *arguments], stdout=subprocess.PIPE, text=True, env=environ
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def address_in(line: str) -> tuple[str, int]:
    assert line.endswith("pywatt start. Ctrl-C stops it."), line
    host, port = line.split("KAFKA_BROKERS=")[1].split(maxsplit=1)[0].split(":")
    return host, int(port)


@pytest.mark.usefixtures("kafka_at_hand")
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_the_command_prints_one_line_and_stops_on_a_signal(tmp_path: Path, number: signal.Signals) -> None:
    with command("start", "--port", "0", "--data", str(tmp_path / "kept")) as process:
        assert process.stdout is not None
        output = lines_of(process.stdout)
        address = address_in(next(output))
        socket.create_connection(address).close()
        process.send_signal(number)
        assert list(output) == ["Stopped."]
        assert process.wait(LONG) == 0
    assert (tmp_path / "kept" / "kafka-3.9" / "data" / "meta.properties").exists()
    socket.create_server(address).close()  # nobody listens there any more


@pytest.mark.usefixtures("kafka_at_hand")
def test_a_killed_command_leaves_no_broker_behind(tmp_path: Path) -> None:
    with command("start", "--port", "0", "--data", str(tmp_path)) as process:
        assert process.stdout is not None
        with socket.create_connection(address_in(next(lines_of(process.stdout)))) as connection:
            process.kill()
            connection.settimeout(LONG)
            with suppress(ConnectionResetError):  # one way or the other the broker's end is closed: it is gone
                assert connection.recv(1) == b""


def test_the_embedded_command_runs_until_a_signal() -> None:
    pytest.importorskip("confluent_kafka")
    with command("start", "--embedded") as process:
        assert process.stdout is not None
        output = lines_of(process.stdout)
        socket.create_connection(address_in(next(output))).close()
        process.send_signal(signal.SIGINT)
        assert list(output) == ["Stopped."]
        assert process.wait(LONG) == 0


def test_an_error_of_the_command_says_what_to_do(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "confluent_kafka", None)
    result = kafka("start", "--embedded")
    assert result.status == 1
    assert "pip install 'pywatt[embedded]'" in result.err
