"""Share groups of Kafka 4.2: acknowledgement per record, redelivery, and what remains at the end.

Only librdkafka reads as a member of one.
"""

from __future__ import annotations

import json
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import anyio
import confluent_kafka.admin
import pytest
from harness.spans import Observed, identity, linked

from pywatt_kafka import (
    Admin,
    ClientClosed,
    CommitFailed,
    Deserializers,
    Headers,
    KafkaError,
    KafkaUnavailable,
    LagReader,
    OnBadValue,
    Producer,
    SerializationFailed,
    ShareConsumer,
    TopicPartition,
    ensure_topics,
    json_deserializers,
    string_deserializers,
)
from pywatt_kafka.serde.protocols import Field
from pywatt_kafka.tracing import processing

pytestmark = pytest.mark.anyio

LONG = 30.0  # seconds


@pytest.fixture
async def group(broker_4_2: str, topic: str) -> str:
    """A share group that reads its topics from the beginning."""
    await ensure_topics(broker_4_2, [topic])  # of one partition: two members share two partitions by taking one each
    name = f"share-{topic}"
    configure(broker_4_2, name, {"share.auto.offset.reset": "earliest"})
    return name


@pytest.fixture
def kafka_command() -> Callable[..., str]:
    """Runs a command of `pywatt kafka`; returns its output."""

    def run(*arguments: str) -> str:
        return subprocess.run(
            [sys.executable, "-c", "from pywatt.cli import main; main()", "kafka", *arguments],
            stdout=subprocess.PIPE,
            text=True,
            check=True,
        ).stdout

    return run


def configure(broker: str, name: str, settings: Mapping[str, str]) -> None:
    """Change the settings of a share group."""
    native: Any = confluent_kafka.admin
    entries = [
        native.ConfigEntry(key, value, incremental_operation=native.AlterConfigOpType.SET)
        for key, value in settings.items()
    ]
    resource = native.ConfigResource(native.ResourceType.GROUP, name, incremental_configs=entries)
    admin = native.AdminClient({"bootstrap.servers": broker})
    for changed in admin.incremental_alter_configs([resource]).values():
        changed.result(LONG)


async def fill(broker: str, topic: str, values: Sequence[bytes]) -> None:
    async with Producer(broker) as producer:
        for value in values:
            await producer.send(topic, value)


async def test_each_record_has_its_own_outcome(broker_4_2: str, topic: str, group: str) -> None:
    values = [b"%d" % number for number in range(10)]
    await fill(broker_4_2, topic, values)
    delivered: Counter[bytes] = Counter()
    with anyio.fail_after(LONG):
        async with ShareConsumer(group, broker_4_2, topics=[topic]) as consumer:
            async for message in consumer:
                value = message.value or b""
                delivered[value] += 1
                assert message.delivery_count == delivered[value]
                if value == b"3" and delivered[value] < 3:
                    await message.release()
                elif value == b"4":
                    await message.reject()
                else:
                    await message.accept()
                if len(delivered) == 10 and delivered[b"3"] == 3:
                    break
        await fill(broker_4_2, topic, [b"last"])
        async with ShareConsumer(group, broker_4_2, topics=[topic]) as consumer:
            async for message in consumer:
                delivered[message.value or b""] += 1
                await message.accept()
                if message.value == b"last":
                    break
    assert delivered == {**dict.fromkeys(values, 1), b"3": 3, b"last": 1}


async def test_lag_is_what_has_no_final_outcome(broker_4_2: str, topic: str, group: str, kafka_command: Any) -> None:
    await fill(broker_4_2, topic, [b"%d" % number for number in range(10)])
    place = TopicPartition(topic, 0)
    with anyio.fail_after(LONG):
        async with LagReader(broker_4_2) as reader:
            assert not (await reader.measure(group)).known
            async with ShareConsumer(group, broker_4_2, topics=[topic]) as consumer:
                async for message in consumer:
                    if message.value in (b"0", b"1", b"7"):
                        await message.accept()
                    if message.value == b"8":
                        await message.reject()
                        break
            while (lag := await reader.measure(group)).partitions[place].records != 6:
                continue  # the broker counts what is acknowledged a moment later
            found = lag.partitions[place]
            assert (lag.known, lag.members, found.committed, found.end) == (True, 0, 2, 10)
            assert (await reader.measure(group, ["another"])).partitions == {}
    shown = await anyio.to_thread.run_sync(kafka_command, "lag", group, "--brokers", broker_4_2)
    assert shown.split()[-3:] == ["in", "all", "6"]
    shown = await anyio.to_thread.run_sync(
        kafka_command, "groups", "describe", group, "--brokers", broker_4_2, "--json"
    )
    document = json.loads(shown)
    assert (document["type"], document["lag"], document["partitions"][0]["committed"]) == ("share", 6, 2)


async def test_what_has_no_outcome_at_the_end_is_delivered_to_others(broker_4_2: str, topic: str, group: str) -> None:
    await fill(broker_4_2, topic, [b"0", b"1", b"2", b"3"])
    done: list[bytes | None] = []
    with anyio.fail_after(LONG):
        async with ShareConsumer(group, broker_4_2, topics=[topic]) as first:
            async for message in first:
                if message.value == b"2":
                    break
                await message.accept()
                done.append(message.value)
        async with ShareConsumer(group, broker_4_2, topics=[topic]) as second:
            async for message in second:
                await message.accept()
                done.append(message.value)
                if len(done) == 4:
                    break
    assert sorted(value or b"" for value in done) == [b"0", b"1", b"2", b"3"]


async def test_a_record_whose_lock_has_expired_is_delivered_again_and_the_late_outcome_fails(
    broker_4_2: str, topic: str, group: str
) -> None:
    configure(broker_4_2, group, {"share.record.lock.duration.ms": "1000"})
    await fill(broker_4_2, topic, [b"0"])
    with anyio.fail_after(LONG):
        async with (
            ShareConsumer(group, broker_4_2, topics=[topic]) as slow,
            ShareConsumer(group, broker_4_2, topics=[topic]) as other,
        ):
            late = await anext(aiter(slow))
            message = await anext(aiter(other))
            with pytest.raises(CommitFailed) as caught:
                await late.accept()
            assert caught.value.code == "INVALID_RECORD_STATE"
            assert (message.value, message.delivery_count) == (b"0", 2)
            await message.accept()


async def test_members_share_one_partition(broker_4_2: str, topic: str, group: str) -> None:
    async with (
        Producer(broker_4_2) as producer,
        ShareConsumer(group, broker_4_2, topics=[topic]) as first,
        ShareConsumer(group, broker_4_2, topics=[topic]) as second,
    ):
        with anyio.fail_after(LONG):
            await producer.send(topic, b"0")
            held = await anext(aiter(first))
            await producer.send(topic, b"1")
            other = await anext(aiter(second))
            assert (held.value, other.value) == (b"0", b"1")
            for message in (other, held):
                await message.accept()
            assert (held.delivery_count, other.delivery_count) == (1, 1)


@pytest.mark.parametrize(("on_bad_value", "dead"), [("skip", 0), ("dlq", 1)])
async def test_bad_values_are_passed_over_and_rejected(
    broker_4_2: str, topic: str, group: str, on_bad_value: OnBadValue, dead: int
) -> None:
    await fill(broker_4_2, topic, [b'{"a": 1}', b"no JSON", b'{"a": 2}'])
    found: list[Any] = []
    with anyio.fail_after(LONG):
        async with ShareConsumer(
            group, broker_4_2, topics=[topic], deserializers=json_deserializers, on_bad_value=on_bad_value
        ) as consumer:
            async for message in consumer:
                found.append(message.value)
                await message.accept()
                if len(found) == 2:
                    break
        await fill(broker_4_2, topic, [b"last"])
        async with ShareConsumer(group, broker_4_2, topics=[topic]) as plain:
            assert (await anext(aiter(plain))).value == b"last"
        async with Admin(broker_4_2) as admin:
            letters = [each.records for each in await admin.list_topics() if each.name == f"{topic}-dlq"]
    assert found == [{"a": 1}, {"a": 2}]
    assert sum(letters) == dead


async def test_a_bad_value_fails_and_is_released_for_those_that_can_read_it(
    broker_4_2: str, topic: str, group: str
) -> None:
    await fill(broker_4_2, topic, [b"no JSON", b"1"])
    with anyio.fail_after(LONG):
        async with ShareConsumer(group, broker_4_2, topics=[topic], deserializers=json_deserializers) as consumer:
            with pytest.raises(SerializationFailed) as caught:
                await anext(aiter(consumer))
            assert (caught.value.topic, caught.value.offset) == (topic, 0)
            message = await anext(aiter(consumer))
            assert message.value == 1
            await message.accept()
        async with ShareConsumer(group, broker_4_2, topics=[topic], deserializers=string_deserializers) as plain:
            again = await anext(aiter(plain))
            assert (again.value, again.delivery_count) == ("no JSON", 2)
            await again.accept()


async def test_a_registry_that_is_away_is_no_bad_value(broker_4_2: str, topic: str, group: str) -> None:
    calls: list[bytes | None] = []

    async def later(data: bytes | None, topic: str, field: Field, headers: Headers) -> bytes | None:
        calls.append(data)
        if len(calls) == 1:
            raise KafkaUnavailable("the schema registry does not answer")
        return data

    await fill(broker_4_2, topic, [b"0"])
    deserializers: Deserializers[Any, bytes | None] = Deserializers(value=later)
    with anyio.fail_after(LONG):
        async with ShareConsumer(
            group, broker_4_2, topics=[topic], deserializers=deserializers, on_bad_value="skip"
        ) as consumer:
            with pytest.raises(KafkaUnavailable):
                await anext(aiter(consumer))
            message = await anext(aiter(consumer))
            assert (message.value, message.delivery_count) == (b"0", 1)
            await message.accept()


async def test_use_after_closing_is_refused(broker_4_2: str, topic: str, group: str) -> None:
    consumer = ShareConsumer(group, broker_4_2, topics=[topic])
    with pytest.raises(ClientClosed):
        async for _ in consumer:
            pass
    await consumer.connect()
    await consumer.close()
    await consumer.close()
    with pytest.raises(ClientClosed):
        await consumer.connect()


async def test_brokers_without_share_groups_are_named(broker: str) -> None:
    async with ShareConsumer("g", broker, topics=["t"]) as consumer:
        with pytest.raises(KafkaError, match="have no share groups") as caught, anyio.fail_after(LONG):
            await anext(aiter(consumer))
    assert (caught.value.hint or "").startswith("use Kafka 4.2 with the feature share.version on")


async def test_instrumentation_makes_spans_of_polls_and_acknowledgements(
    broker_4_2: str, topic: str, group: str
) -> None:
    with Observed() as observed:
        await fill(broker_4_2, topic, [b"1"])
        with anyio.fail_after(LONG):
            async with ShareConsumer(group, broker_4_2, topics=[topic]) as consumer:
                async for message in consumer:
                    with processing(message):
                        await message.accept()
                    break
        (sent,) = observed.spans(f"send {topic}")
        (polled,) = observed.spans(f"poll {topic}")
        (processed,) = observed.spans(f"process {topic}")
        (acknowledged,) = observed.spans(f"ack {topic}")
        assert linked(polled) == linked(processed) == [identity(sent)]
        assert (polled.attributes or {})["messaging.consumer.group.name"] == group
        assert acknowledged.parent is not None
        assert acknowledged.parent.span_id == identity(processed)[1]
