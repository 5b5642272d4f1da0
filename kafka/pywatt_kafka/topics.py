"""Makes sure that topics exist."""

from __future__ import annotations

import os
from collections.abc import Iterable, Sequence
from typing import Any

import anyio

from pywatt_kafka.addresses import brokers_from
from pywatt_kafka.engine import opening, require_aiokafka, translate, translated
from pywatt_kafka.refusals import unreachable
from pywatt_kafka.security import Security, security_from
from pywatt_kafka.sockets import Sockets, to_the_end

LIMIT = 10.0  # seconds
POLL_INTERVAL = 0.05  # seconds until a broker that is creating topics is asked again
BROKERS_DEFAULT = -1
"""Copies of a topic: as many as the brokers make of one for which nothing is said (`default.replication.factor`)."""


async def ensure_topics(
    brokers: str | Sequence[str] | None,
    topics: Iterable[str],
    *,
    partitions: int = 1,
    replication: int = BROKERS_DEFAULT,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> frozenset[str]:
    """Create those of the topics that do not exist; return once all of them can be written to.

    Returns the names of those that were missing. Topics that exist are left as they are. `replication`: copies of each,
    by default the brokers' default. The embedded broker creates topics with its own number of partitions. Raises
    KafkaUnavailable, NotAuthorized, UnknownTopic (a name that is not allowed) or another KafkaError within the timeout
    (seconds). `security`: as for Producer.
    """
    require_aiokafka()
    from aiokafka.admin import AIOKafkaAdminClient

    addresses = brokers_from(brokers, os.environ)
    wanted = sorted(set(topics))
    admin: Any = AIOKafkaAdminClient(
        bootstrap_servers=",".join(addresses),
        request_timeout_ms=int(timeout * 1000),
        **security_from(security, os.environ).settings(),
    )
    sockets = Sockets(admin._client)
    try:
        with anyio.fail_after(timeout):
            with opening(addresses):
                await sockets.open(admin.start())
            with translated("reading the list of topics"):
                missing = frozenset(wanted) - frozenset(await admin.list_topics())
            if missing:
                await _create(admin, sorted(missing), partitions, replication)
                await _settle(admin, sorted(missing))
            return missing
    except TimeoutError as error:
        raise unreachable(addresses) from error
    finally:
        await to_the_end(sockets.close())


async def _create(admin: Any, topics: Sequence[str], partitions: int, replication: int) -> None:
    from aiokafka import errors
    from aiokafka.admin import NewTopic

    if admin._client.cluster.controller is None:
        return  # the embedded broker has none: it creates a topic when it is asked for its metadata, as we do next
    with translated(f"creating {', '.join(topics)}"):
        response = await admin.create_topics(
            [
                # aiokafka takes -1 only together with assignments, of which an empty list says nothing
                NewTopic(topic, partitions, replication, {} if replication == BROKERS_DEFAULT else None)
                for topic in topics
            ]
        )
    for topic, code, *detail in response.topic_errors:
        error_type = errors.for_code(code)
        if error_type not in (errors.NoError, errors.TopicAlreadyExistsError):
            raise translate(error_type(*detail), during=f"creating topic {topic}")


async def _settle(admin: Any, topics: Sequence[str]) -> None:
    """Wait until each topic's partitions have a leader."""
    while True:
        with translated("waiting for new topics"):
            described = await admin.describe_topics(list(topics))
        if all(
            topic["error_code"] == 0
            and topic["partitions"]
            and all(part["leader"] >= 0 for part in topic["partitions"])
            for topic in described
        ):
            return
        await anyio.sleep(POLL_INTERVAL)
