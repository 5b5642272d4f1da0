"""Measures the lag of a consumer group: the records it has not committed yet."""

from __future__ import annotations

import os
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from typing import Any

import anyio

from pywatt_kafka.aiokafka.client import bootstrap_errors, client_settings, require_aiokafka
from pywatt_kafka.aiokafka.errors import translated
from pywatt_kafka.aiokafka.sockets import Sockets, close_consumer, complete_shielded
from pywatt_kafka.connection.addresses import brokers_from
from pywatt_kafka.errors import KafkaError, KafkaUnavailable
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.options import Security

LIMIT = 10.0  # seconds
RETRY_INTERVAL = 0.1  # seconds


async def consumer_lag(
    bootstrap_brokers: str | Sequence[str] | None,
    group: str,
    topics: Iterable[str] | None = None,
    *,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> Mapping[str, Mapping[int, int]]:
    """Return, per topic and partition, how many records the group has not committed yet.

    `topics` None: all topics with an offset that the group committed (the embedded broker cannot list them: name them
    there). Of a named topic every partition counts; one without a committed offset lags by all its records. A topic
    that does not exist is left out. `security`: as for Producer. Raises KafkaUnavailable or another KafkaError
    within the timeout (seconds).
    """
    require_aiokafka()
    from aiokafka import AIOKafkaConsumer
    from aiokafka.admin import AIOKafkaAdminClient

    addresses = brokers_from(bootstrap_brokers, os.environ)
    settings: dict[str, Any] = {
        "request_timeout_ms": int(timeout * 1000),
        **client_settings(addresses, security_from(security, os.environ)),
    }
    admin: Any = AIOKafkaAdminClient(**settings)
    reader: Any = AIOKafkaConsumer(isolation_level="read_committed", **settings)
    admin_sockets, reader_sockets = Sockets(admin._client), Sockets(reader._client)

    async def close() -> None:
        await close_consumer(reader, reader_sockets)
        await admin_sockets.close()

    try:
        with anyio.fail_after(timeout):
            with bootstrap_errors(addresses):
                await admin_sockets.open(admin.start())
                await reader_sockets.open(reader.start())
            committed = await _patiently(lambda: _committed(admin, group, topics))
            with translated(f"measuring the lag of group {group}"):
                ends = await reader.end_offsets(list(committed))
                starts = await reader.beginning_offsets(list(committed))
    except TimeoutError as error:
        raise KafkaUnavailable(
            f"the lag of group {group} could not be measured at {','.join(addresses)} within {timeout:g} s"
        ) from error
    finally:
        await complete_shielded(close())
    lag: dict[str, dict[int, int]] = {}
    for place, offset in sorted(committed.items()):
        behind = ends[place] - max(offset, starts[place])
        # a recreated topic may be shorter than the offset committed for the old one
        lag.setdefault(place.topic, {})[place.partition] = max(behind, 0)
    return lag


async def _committed(admin: Any, group: str, topics: Iterable[str] | None) -> Mapping[Any, int]:
    """Return committed offsets; -1 for a partition of a named topic that has none."""
    from aiokafka import TopicPartition as Native

    places: list[Any] | None = None
    with translated(f"reading what group {group} has committed"):
        if topics is not None:
            existing = set(await admin.list_topics())
            described = await admin.describe_topics(sorted(existing.intersection(topics)) or [])
            places = [Native(topic["topic"], part["partition"]) for topic in described for part in topic["partitions"]]
            if not places:
                return {}
        try:
            found = await admin.list_consumer_group_offsets(group, partitions=places)
        except TypeError as error:
            raise KafkaError(
                f"this broker cannot list what group {group} has committed", hint="name the topics"
            ) from error
    if places is not None and not found.keys() >= set(places):
        raise KafkaUnavailable(f"the broker has not loaded group {group} yet")
    return {place: offset.offset for place, offset in found.items()}


async def _patiently(read: Callable[[], Awaitable[Mapping[Any, int]]]) -> Mapping[Any, int]:
    """Retry while the coordinator of the group is not available yet, as on a fresh broker."""
    while True:
        try:
            return await read()
        except KafkaUnavailable:
            await anyio.sleep(RETRY_INTERVAL)
