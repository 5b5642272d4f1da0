"""Imports aiokafka, and makes, opens and checks its clients.

The private parts of aiokafka that this library needs are used only in this folder.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any
from weakref import WeakSet

from pywatt_kafka.aiokafka.connect_errors import attempts_of, connect_errors, unreachable, watch_connecting
from pywatt_kafka.aiokafka.errors import add_missing_errors, translated
from pywatt_kafka.aiokafka.security import security_settings
from pywatt_kafka.engine.fetching import Fetching
from pywatt_kafka.errors import KafkaError, MissingDependency
from pywatt_kafka.security.options import Security

RETRY_BACKOFF = 100  # ms

own_consumers: WeakSet[Any] = WeakSet()
"""The consumers of aiokafka that belong to this library's clients, which are observed, not these."""


def require_aiokafka() -> None:
    """Import aiokafka. Raises MissingDependency.

    Its loggers log every failed attempt, ten a second while a broker is away; the status says the same once. So they
    are silenced, unless the application has set a level for the logger `aiokafka` itself.
    """
    try:
        import aiokafka  # noqa: F401
    except ImportError as error:
        raise MissingDependency(
            "the Kafka client needs the package aiokafka", hint="pip install 'pywatt[kafka]'"
        ) from error
    aiokafka_logger = logging.getLogger("aiokafka")
    if aiokafka_logger.level == logging.NOTSET:
        aiokafka_logger.setLevel(logging.CRITICAL + 1)
    add_missing_errors()
    watch_connecting()
    from pywatt_kafka.aiokafka import non_utf8_headers, records, topic_creation

    non_utf8_headers.install()
    topic_creation.install()
    records.make_messages()


def client_settings(brokers: Sequence[str], security: Security) -> dict[str, Any]:
    """Return the settings that all clients share. Raises KafkaError when a file of `security` cannot be used."""
    return {"bootstrap_servers": ",".join(brokers), **security_settings(security)}


async def broker_apis(brokers: tuple[str, ...], security: Security) -> frozenset[int]:
    """Return the numbers of the requests that a broker answers. Raises KafkaError."""
    from aiokafka.client import AIOKafkaClient

    client: Any = AIOKafkaClient(**client_settings(brokers, security))
    try:
        with bootstrap_errors(brokers):
            await client.bootstrap()
            connection = await client._get_conn(client.get_random_node())
            if connection is None:
                raise unreachable(brokers)
            return frozenset(connection._versions)
    finally:
        await client.close()


def fetch_settings(fetching: Fetching) -> dict[str, Any]:
    """Return the fetch settings of an AIOKafkaConsumer."""
    return {
        "isolation_level": fetching.isolation.value,
        "fetch_min_bytes": fetching.min_bytes,
        "fetch_max_bytes": fetching.max_bytes,
        "max_partition_fetch_bytes": fetching.partition_bytes,
        "fetch_max_wait_ms": fetching.wait_ms,
    }


async def refresh_metadata(client: Any, brokers: tuple[str, ...]) -> None:
    """Ask the cluster for the metadata of the client's topics. Raises KafkaUnavailable when no broker answers."""
    if not await client.force_metadata_update():
        attempts = attempts_of(client)
        raise unreachable(brokers, attempts.failures, attempts.reached)


@contextmanager
def bootstrap_errors(brokers: tuple[str, ...]) -> Iterator[None]:
    """Turn a failed bootstrap into an error with the addresses that were tried, and the reason."""
    from aiokafka.errors import KafkaConnectionError

    with connect_errors() as seen:
        try:
            with translated(f"connecting to {','.join(brokers)}"):
                yield
        except KafkaError as error:
            if isinstance(error.__cause__, KafkaConnectionError):
                raise unreachable(brokers, seen) from error.__cause__
            raise


def done(task: asyncio.Future[Any] | None) -> bool:
    """Return whether a background task of aiokafka's has ended (it never should while the client is open)."""
    return task is not None and task.done()
