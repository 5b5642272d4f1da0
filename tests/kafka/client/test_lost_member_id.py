"""A static member that loses its member id in an outage longer than its session timeout is not fenced for good.

Only librdkafka sends heartbeats and commits without a member id until the partitions are given up.
"""

from __future__ import annotations

import asyncio

import anyio
import pytest

from pywatt_kafka import (
    ConnectionState,
    ConnectionStatus,
    Fenced,
    GroupReader,
    KafkaError,
    Offset,
    Producer,
    TopicPartition,
)
from pywatt_kafka.brokers.apache import RealBroker

pytestmark = pytest.mark.anyio

LONG = 60.0  # seconds
SESSION = 6.0  # seconds; the client must have noticed the outage before


class BusyMember:
    """A static member that gives up a partition lost in an outage only when the cluster answers again."""

    def __init__(self, broker: str, topic: str) -> None:
        self.states: list[ConnectionState] = []
        self.commit_errors: list[KafkaError] = []
        self.lost = asyncio.Event()
        self._changed = asyncio.Event()
        self._place = TopicPartition(topic, 0)
        self.reader = GroupReader(
            broker,
            group=f"group-{topic}",
            instance_id="one",
            session_timeout=SESSION,
            rebalance_timeout=LONG,
            topics=[topic],
            listener=self,
            on_status=self.note,
            engine="rdkafka",
        )

    def note(self, status: ConnectionStatus) -> None:
        self.states.append(status.state)
        self._changed.set()

    def connected(self) -> bool:
        return self.states[-1] is ConnectionState.CONNECTED

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None: ...

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        if self.lost.is_set() or self.states[-1] is not ConnectionState.AWAY:
            return
        self.lost.set()
        while not self.connected():
            self._changed.clear()
            await self._changed.wait()
        try:
            await self.reader.commit({self._place: Offset(1)})  # without a member id
        except KafkaError as error:
            self.commit_errors.append(error)

    async def until_read(self, value: bytes) -> None:
        with anyio.fail_after(LONG):
            async for message in self.reader:
                if message.value == value:
                    return


async def test_it_joins_again(own_broker: RealBroker, topic: str) -> None:
    member = BusyMember(own_broker.address, topic)
    async with Producer(own_broker.address) as producer, member.reader:
        await producer.send(topic, b"before")
        await member.until_read(b"before")
        await anyio.to_thread.run_sync(own_broker.kill)
        with anyio.fail_after(LONG):
            await member.lost.wait()
        await anyio.to_thread.run_sync(own_broker.start)
        await producer.send(topic, b"after")
        await member.until_read(b"after")
        # The broker has answered "fenced", to a commit or a heartbeat; the client was replaced by one that reads.
        assert not any(isinstance(error, Fenced) for error in member.commit_errors)
        assert ConnectionState.FENCED not in member.states
