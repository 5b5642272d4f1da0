"""The administration of real brokers of both versions, and of the embedded one as far as it can.

It has no engine: it sends its own requests.
"""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import anyio
import pytest

from pywatt_kafka import (
    Admin,
    ClientClosed,
    Config,
    GroupReader,
    KafkaError,
    NewTopic,
    OffsetOutOfRange,
    Producer,
    TopicPartition,
    UnknownTopic,
    ensure_topics,
)
from pywatt_kafka.admin.configs import Resource
from pywatt_kafka.brokers.embedded import EmbeddedBroker

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds


@pytest.fixture(scope="module")
def embedded() -> Iterator[str]:
    pytest.importorskip("confluent_kafka")
    with EmbeddedBroker() as broker:
        yield broker.address


async def write(address: str, topic: str, count: int, *, partition: int = 0) -> None:
    async with Producer(address) as producer:
        for number in range(count):
            # a minute apart, the last one now
            await producer.send(
                topic, b"%d" % number, partition=partition, timestamp=_ms(timedelta(minutes=count - 1 - number))
            )


def _ms(ago: timedelta) -> int:
    return round((datetime.now().astimezone() - ago).timestamp() * 1000)


async def commit(address: str, group: str, topic: str, count: int) -> None:
    """Read and commit the first records of a topic as a member of a group."""
    with anyio.fail_after(LONG):
        async with GroupReader(address, group=group, topics=[topic]) as reader:
            async for message in reader:
                if message.offset == count - 1:
                    await reader.commit_through(message)
                    return


async def test_topics_are_created_described_grown_and_deleted(each_broker: str, topics: Callable[[], str]) -> None:
    name, other = topics(), topics()
    async with Admin(each_broker) as admin:
        await admin.create_topics([NewTopic(name, partitions=2, configs={"retention.ms": "60000"}), other])
        await write(each_broker, name, 3, partition=1)
        listed = {topic.name: topic for topic in await admin.list_topics()}
        assert (listed[name].partitions, listed[name].records) == (2, 3)
        assert listed[other].partitions == 1
        (described,) = await admin.describe_topics([name])
        assert [(part.number, part.leader, part.beginning, part.end) for part in described.partitions] == [
            (0, 1, 0, 0),
            (1, 1, 0, 3),
        ]
        assert described.partitions[0].replicas == described.partitions[0].in_sync_replicas == (1,)
        await admin.create_partitions(name, 5)
        (described,) = await admin.describe_topics([name])
        assert len(described.partitions) == 5
        await admin.delete_topics([name, other])
        assert {name, other}.isdisjoint(topic.name for topic in await admin.list_topics())


async def test_what_cannot_be_done_with_topics_says_why(each_broker: str, topics: Callable[[], str]) -> None:
    name, missing = topics(), topics()
    async with Admin(each_broker) as admin:
        await admin.create_topics([name])
        with pytest.raises(KafkaError, match="already exists"):
            await admin.create_topics([name])
        with pytest.raises(KafkaError, match=r"retention\.sm"):
            await admin.create_topics([NewTopic(missing, configs={"retention.sm": "1"})])
        with pytest.raises(UnknownTopic):
            await admin.create_topics(["no spaces"])
        with pytest.raises(UnknownTopic, match=missing):
            await admin.describe_topics([missing])
        with pytest.raises(UnknownTopic, match=missing):
            await admin.delete_topics([missing])
        with pytest.raises(UnknownTopic, match=missing):
            await admin.list_offsets([TopicPartition(missing, 0)], "latest")
        with pytest.raises(KafkaError, match="1"):
            await admin.create_partitions(name, 1)
        assert missing not in {topic.name for topic in await admin.list_topics()}  # looking has not created it


async def configs_with(
    admin: Admin, name: str, config: str, value: str, *, resource: Resource = "topic"
) -> Mapping[str, Config]:
    """Return the configs of a topic once one has that value: a broker learns of changes a moment later."""
    configs: Mapping[str, Config] = {}
    with anyio.fail_after(LONG):
        while config not in configs or configs[config].value != value:
            configs = await admin.describe_configs(resource, name)
    return configs


async def test_configs_are_read_and_changed_one_by_one(each_broker: str, topics: Callable[[], str]) -> None:
    name = topics()
    async with Admin(each_broker) as admin:
        await admin.create_topics([NewTopic(name, configs={"retention.ms": "60000"})])
        await admin.alter_configs("topic", name, {"cleanup.policy": "compact,delete"})
        configs = await configs_with(admin, name, "cleanup.policy", "compact,delete")
        assert (configs["retention.ms"].value, configs["retention.ms"].source) == ("60000", "topic")
        default = (await admin.describe_configs("broker", "1"))["log.retention.ms"].value or str(7 * 24 * 3600 * 1000)
        await admin.alter_configs("topic", name, {"retention.ms": None})
        configs = await configs_with(admin, name, "retention.ms", default)
        assert configs["retention.ms"].is_default
        assert not configs["cleanup.policy"].is_default
        broker = await admin.describe_configs("broker", "1")
        assert broker["node.id"].value == "1"
        assert broker["node.id"].is_read_only
        with pytest.raises(KafkaError, match="nonsense"):
            await admin.alter_configs("topic", name, {"nonsense": "1"})


async def test_groups_have_configs_since_kafka_4(broker: str, broker_4_2: str, topics: Callable[[], str]) -> None:
    group = topics()
    async with Admin(broker_4_2) as admin:
        await admin.alter_configs("group", group, {"consumer.session.timeout.ms": "50000"})
        configs = await configs_with(admin, group, "consumer.session.timeout.ms", "50000", resource="group")
        assert configs["consumer.session.timeout.ms"].source == "group"
    async with Admin(broker) as admin:
        with pytest.raises(KafkaError, match="resource type"):
            await admin.alter_configs("group", group, {"consumer.session.timeout.ms": "50000"})


async def test_groups_are_listed_and_described_with_their_members(each_broker: str, topics: Callable[[], str]) -> None:
    topic, group = topics(), topics()
    async with Admin(each_broker) as admin:
        await admin.create_topics([NewTopic(topic, partitions=2)])
        await write(each_broker, topic, 1)
        async with GroupReader(
            each_broker, group=group, topics=[topic], client_id="here", instance_id="first"
        ) as reader:
            async for message in reader:
                await reader.commit_through(message)
                break
            found = await admin.describe_group(group)
            (member,) = found.members
            assert (found.type, found.state) == ("classic", "Stable")
            assert (member.client_id, member.host, member.instance_id) == ("here", "127.0.0.1", "first")
            assert list(member.partitions) == [TopicPartition(topic, 0), TopicPartition(topic, 1)]
            (listed,) = [each for each in await admin.list_groups() if each.name == group]
            assert (listed.type, listed.state) == ("classic", "Stable")
            assert await admin.list_group_offsets(group) == {TopicPartition(topic, 0): 1}
            assert await admin.list_group_offsets(group, [topic]) == {
                TopicPartition(topic, 0): 1,
                TopicPartition(topic, 1): None,
            }
            with pytest.raises(KafkaError, match="has members"):
                await admin.delete_groups([group])
            with pytest.raises(KafkaError, match="has members"):
                await admin.reset_offsets(group, "earliest")
        await admin.remove_member(group, "first")
        await admin.remove_member(group, "first")
        assert (await admin.describe_group(group)).state == "Empty"
        await admin.delete_groups([group])
        with pytest.raises(KafkaError, match=f"no group {group}"):
            await admin.describe_group(group)
        with pytest.raises(KafkaError, match=f"no group {group}"):
            await admin.delete_groups([group])


async def test_offsets_are_reset_to_beginning_end_time_and_number(each_broker: str, topics: Callable[[], str]) -> None:
    topic, group = topics(), topics()
    place = TopicPartition(topic, 0)
    async with Admin(each_broker) as admin:
        await admin.create_topics([topic])
        await write(each_broker, topic, 10)
        await commit(each_broker, group, topic, 5)
        (change,) = await admin.reset_offsets(group, "earliest", dry_run=True)
        assert change == (type(change))(topic, 0, 5, 0)
        assert await admin.list_group_offsets(group) == {place: 5}
        for to, expected in (
            ("earliest", 0),
            ("latest", 10),
            (timedelta(minutes=3, seconds=30), 6),
            (datetime.now().astimezone() - timedelta(minutes=3, seconds=30), 6),
            (timedelta(seconds=-60), 10),
            (7, 7),
            (700, 10),
        ):
            (change,) = await admin.reset_offsets(group, to)  # type: ignore[arg-type]
            assert change.after == expected
            assert await admin.list_group_offsets(group) == {place: expected}
        await admin.delete_group_offsets(group, [place])
        assert await admin.list_group_offsets(group) == {}
        with pytest.raises(KafkaError, match="has committed nothing"):
            await admin.reset_offsets(group, "earliest")
        assert [each.after for each in await admin.reset_offsets(group, 2, topics=[topic])] == [2]


async def test_records_are_deleted_before_an_offset(each_broker: str, topic: str) -> None:
    place = TopicPartition(topic, 0)
    async with Admin(each_broker) as admin:
        await admin.create_topics([topic])
        await write(each_broker, topic, 5)
        assert await admin.delete_records({place: 2}) == {place: 2}
        assert await admin.list_offsets([place], "earliest") == {place: 2}
        assert await admin.delete_records({place: "latest"}) == {place: 5}
        with pytest.raises(OffsetOutOfRange):
            await admin.delete_records({place: 50})
        await admin.alter_configs("topic", topic, {"cleanup.policy": "compact"})
        await configs_with(admin, topic, "cleanup.policy", "compact")
        with pytest.raises(KafkaError, match=r"cleanup\.policy"):
            await admin.delete_records({place: 5})


async def test_groups_of_the_new_protocols_are_described_too(broker_4_2: str, topics: Callable[[], str]) -> None:
    confluent = pytest.importorskip("confluent_kafka")
    topic, group, shared = topics(), topics(), topics()
    async with Admin(broker_4_2) as admin:
        await admin.create_topics([NewTopic(topic, partitions=2)])
        settings = {"bootstrap.servers": broker_4_2, "client.id": "here", "log_level": 2}
        consumer = confluent.Consumer({**settings, "group.id": group, "group.protocol": "consumer"})
        consumer.subscribe([topic])
        sharer = confluent.ShareConsumer({**settings, "group.id": shared})
        sharer.subscribe([topic])
        try:
            for name, kind in ((group, "consumer"), (shared, "share")):
                partitions: object = None
                with anyio.fail_after(LONG):
                    while partitions != [TopicPartition(topic, 0), TopicPartition(topic, 1)]:
                        await asyncio.to_thread((consumer if kind == "consumer" else sharer).poll, 0.1)
                        partitions = await partitions_or_none(admin, name)
                found = await admin.describe_group(name)
                assert found.type == kind
                assert found.members[0].client_id == "here"
            types = {each.name: each.type for each in await admin.list_groups()}
            assert (types[group], types[shared]) == ("consumer", "share")
            with pytest.raises(KafkaError, match="has members"):
                await admin.reset_offsets(group, "earliest", topics=[topic])
        finally:
            await asyncio.to_thread(consumer.close)
            await asyncio.to_thread(sharer.close)


async def partitions_or_none(admin: Admin, group: str) -> list[TopicPartition] | None:
    """Return the partitions of the only member of a group; None while it has none."""
    try:
        members = (await admin.describe_group(group)).members
    except KafkaError:
        return None
    return list(members[0].partitions) if members else None


async def test_the_embedded_broker_does_what_it_can(embedded: str) -> None:
    place = TopicPartition("orders", 0)
    async with Admin(embedded) as admin:
        for refused in (NewTopic("o", 1), NewTopic("o", replication=3), NewTopic("o", configs={"retention.ms": "1"})):
            with pytest.raises(KafkaError, match="the embedded broker gives every topic 4 partitions") as refusal:
                await admin.create_topics([refused])
            assert "pywatt kafka start" in str(refusal.value.hint)
        with pytest.raises(KafkaError, match="cannot have 5 partitions"):
            await admin.ensure_topics(["o"], partitions=5)
        await admin.create_topics(["orders", NewTopic("more", 4)])
        assert [each.name for each in await admin.list_topics()] == ["more", "orders"]
        await write(embedded, "orders", 3)
        assert [each.records for each in await admin.list_topics()] == [0, 3]
        assert (await admin.describe_topics(["orders"]))[0].partitions[0].end == 3
        with pytest.raises(UnknownTopic):
            await admin.describe_topics(["missing"])
        await commit(embedded, "billing", "orders", 2)
        assert await admin.list_group_offsets("billing") == {place: 2}
        with pytest.raises(KafkaError, match="for its members only"):
            await admin.reset_offsets("billing", "earliest")
        await admin.reset_offsets("shipping", "latest", partitions=[place])
        assert await admin.list_group_offsets("shipping") == {place: 3}
        for operation in (
            admin.delete_topics(["orders"]),
            admin.create_partitions("orders", 9),
            admin.describe_configs("topic", "orders"),
            admin.list_groups(),
            admin.describe_group("billing"),
            admin.delete_groups(["billing"]),
            admin.delete_records({place: 1}),
        ):
            with pytest.raises(KafkaError, match="no such request") as caught:
                await operation
            assert "pywatt kafka start" in caught.value.hint


async def test_an_admin_is_used_between_connect_and_close(broker: str) -> None:
    admin = Admin(broker)
    with pytest.raises(ClientClosed, match="not connected"):
        await admin.list_topics()
    await admin.connect()
    await admin.connect()
    await admin.list_topics()
    await admin.close()
    await admin.close()
    with pytest.raises(ClientClosed, match="is closed"):
        await admin.list_topics()


async def test_a_broker_that_answers_nothing_is_an_error_within_the_timeout() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"127.0.0.1:{silent.getsockname()[1]}"
        with anyio.fail_after(LONG), pytest.raises(KafkaError, match=address):
            await ensure_topics(address, ["x"], timeout=0.5)


async def test_the_example_of_the_documentation_runs(
    broker: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("KAFKA_BROKERS", broker)
    page = Path(__file__).parents[3] / "docs" / "kafka-client.md"
    section = page.read_text("utf-8").split("\n## Admin\n")[1].split("\n## ")[0]
    (example,) = re.findall(r"^```python\n(.*?)^```$", section, re.MULTILINE | re.DOTALL)
    namespace: dict[str, Any] = {}
    exec(example, namespace)
    await namespace["main"]()
    printed = capsys.readouterr().out
    assert "invoices 6 0" in printed
    assert "invoices 5 None -> 0" in printed
    assert "GroupDescription(name='billing', type='classic', state='Empty'" in printed
