"""Measures the lag of a consumer group once."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pywatt_kafka.lag.lag_reader import LIMIT, LagReader
from pywatt_kafka.security.options import Security


async def consumer_lag(
    bootstrap_brokers: str | Sequence[str] | None,
    group: str,
    topics: Iterable[str] | None = None,
    *,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> Mapping[str, Mapping[int, int]]:
    """Return, per topic and partition, how many records the group has yet to process, as `LagReader.measure` does.

    `timeout`: seconds. `security`: as for Producer. Raises KafkaUnavailable or another KafkaError within the timeout.
    """
    async with LagReader(bootstrap_brokers, timeout=timeout, security=security) as reader:
        return (await reader.measure(group, topics)).records()
