"""Reads and changes the configuration of topics, brokers and groups."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

from pywatt_kafka.admin.connection import AdminConnection, raise_for

Resource: TypeAlias = Literal["topic", "broker", "group"]
RESOURCE_TYPES: Mapping[Resource, int] = {"topic": 2, "broker": 4, "group": 32}
SOURCES = {
    1: "topic",
    2: "broker",
    3: "all brokers",
    4: "server.properties",
    5: "default",
    6: "broker logger",
    7: "client metrics",
    8: "group",
}
"""The source of a value, by Kafka's number (DescribeConfigs)."""
DEFAULT = "default"


@dataclass(frozen=True, slots=True, kw_only=True)
class Config:
    """One configuration entry."""

    name: str
    value: str | None
    """None: not set, or secret."""
    source: str
    """topic, broker, all brokers, server.properties, group, or default: Kafka's own."""
    is_read_only: bool
    is_secret: bool

    @property
    def is_default(self) -> bool:
        """The value is Kafka's own."""
        return self.source == DEFAULT


class ConfigOperations(AdminConnection):
    """Operations on configuration."""

    async def describe_configs(self, resource: Resource, name: str) -> Mapping[str, Config]:
        """Return all configs of a topic, a broker (its id) or a group, by name. Raises UnknownTopic."""
        from aiokafka.protocol.admin import DescribeConfigsRequest

        during = f"reading the configs of {resource} {name}"
        request = DescribeConfigsRequest([(RESOURCE_TYPES[resource], name, None)], False)

        async def step() -> Mapping[str, Config]:
            (found,) = (await self._send(request, self._node_of(resource, name))).resources
            code, detail, _, _, entries = found
            raise_for(code, during, detail)
            return {entry.name: entry for entry in sorted(map(_config, entries), key=lambda entry: entry.name)}

        return await self._call(during, step)

    async def alter_configs(self, resource: Resource, name: str, changes: Mapping[str, str | None]) -> None:
        """Set configs of a topic, a broker (its id) or a group; None: back to the default. All others stay.

        Raises UnknownTopic, NotAuthorized, or KafkaError for a config that does not exist or take the value.
        """
        from pywatt_kafka.admin.requests import alter_configs

        during = f"changing the configs of {resource} {name}"
        request = alter_configs(RESOURCE_TYPES[resource], name, changes)

        async def step() -> None:
            for code, detail, *_ in (await self._send(request, self._node_of(resource, name))).responses:
                raise_for(code, during, detail)

        await self._call(during, step)

    def _node_of(self, resource: Resource, name: str) -> int | None:
        """Return the broker that answers: a broker for itself, any for the rest."""
        return int(name) if resource == "broker" else None


def _config(entry: tuple[Any, ...]) -> Config:
    name, value, is_read_only, source, is_secret, *_ = entry
    return Config(
        name=name,
        value=value,
        source=SOURCES.get(source, str(source)),
        is_read_only=is_read_only,
        is_secret=is_secret,
    )
