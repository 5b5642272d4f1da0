"""The clusters of the app's services, and the one that a request means."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

from pywatt.channel.messages import Answer
from pywatt.control.error_json import from_json
from pywatt_services.kafka_cli.cluster.app_clusters import TYPE_NAME, service_cluster_of
from pywatt_services.kafka_cli.cluster.precedence import (
    Cluster,
    ServiceCluster,
    cluster_of,
    default_cluster,
    resolve_cluster,
)

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]


class AppClusters:
    """Asks the app anew for each request: a reload may change its clusters."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def services(self) -> list[Mapping[str, Any]]:
        """Return the configuration of the services, with secrets. Raises PywattError."""
        found: list[Mapping[str, Any]] = (await self._result("config", secrets=True))["services"]
        return found

    async def all(self) -> Sequence[ServiceCluster]:
        """Return the cluster of each service that has one. Raises PywattError."""
        found = []
        for service in await self.services():
            env = (await self._result("env", service=service["id"], secrets=True))["env"]
            cluster = service_cluster_of(service, env)
            if cluster.is_kafka_hooks or cluster.variables.get("KAFKA_BROKERS"):
                found.append(cluster)
        return found

    async def consumer_groups(self) -> list[str]:
        """Return the groups of the kafka-hooks services. Raises PywattError."""
        services = [each for each in await self.services() if each["type"] == TYPE_NAME]
        return sorted({each["options"]["consumer"]["group_id"] for each in services if each["options"].get("consumer")})

    async def chosen(self, service: str | None) -> Cluster:
        """Return the cluster of that service, or the only one of the app. Raises PywattError, KafkaError."""
        clusters = await self.all()
        own = cluster_of(clusters, service) if service else default_cluster(clusters, ())
        found = resolve_cluster((), {}, own)
        topics = frozenset[str]().union(*(each.dead_letter_topics for each in clusters))
        return Cluster(brokers=found.brokers, security=found.security, dead_letter_topics=topics)

    async def _result(self, command: str, **arguments: Any) -> Any:
        answer = await self._ask(command, arguments)
        if answer.error is not None:
            raise from_json(answer.error)
        return answer.result
