"""The fields of records that were read, whatever library they come from."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any


@dataclass(frozen=True, slots=True)
class Client:
    """The client whose operations are observed."""

    client_id: str | None = None
    server: str | None = None
    """The first of its brokers, `host:port`."""
    group: str | None = None


@dataclass(frozen=True, slots=True)
class Received:
    """A record that was read."""

    topic: str
    partition: int | None
    offset: int | None
    key: Any
    is_tombstone: bool
    headers: Any
    client: Client


NO_CLIENT = Client()


def received(message: Any, client: Client | None = None) -> Received:
    """Return the fields of a message of this library or of aiokafka (attributes), or of confluent-kafka (methods)."""
    if callable(message.topic):
        return Received(
            str(message.topic()),
            message.partition(),
            message.offset(),
            message.key(),
            message.value() is None,
            message.headers(),
            client or NO_CLIENT,
        )
    if client is None:
        reader = getattr(message, "reader", None)
        client = NO_CLIENT if reader is None else client_of(reader)
    return Received(
        message.topic,
        message.partition,
        message.offset,
        message.key,
        message.value is None,
        message.headers,
        client,
    )


def client_of(client: Any) -> Client:
    """Return the description of one of this library's clients."""
    return _client(client.client_id, next(iter(client.brokers), None), getattr(client, "group_id", None))


_client = lru_cache(maxsize=64)(Client)
