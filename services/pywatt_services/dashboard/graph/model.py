"""Nodes and edges of the graph, and the counts that its figures come from."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum

Link = tuple[str, str]
"""Ids of the node that calls or sends, and of the one that is called or receives."""
CLIENTS = "clients"
P95 = 0.95


class NodeKind(Enum):
    """The shape of a node."""

    CLIENTS = "clients"
    SERVICE = "service"
    TOPIC = "topic"
    TARGET = "target"
    """A host outside the app."""


@dataclass(frozen=True, slots=True)
class Node:
    """One place in the graph."""

    id: str
    kind: NodeKind
    name: str


def service_node(name: str) -> Node:
    """Return the node of a service of the app."""
    return Node(f"service:{name}", NodeKind.SERVICE, name)


def topic_node(name: str) -> Node:
    """Return the node of a Kafka topic."""
    return Node(f"topic:{name}", NodeKind.TOPIC, name)


def target_node(host: str) -> Node:
    """Return the node of a host outside the app."""
    return Node(f"target:{host}", NodeKind.TARGET, host)


CLIENTS_NODE = Node(CLIENTS, NodeKind.CLIENTS, "clients")


@dataclass(slots=True)
class Counts:
    """Counts of one link since the start of its services, or within a period."""

    total: float = 0
    errors: float = 0
    buckets: dict[float, float] = field(default_factory=dict)
    """Requests that took at most so many seconds, cumulative."""

    def add(self, more: Counts) -> None:
        """Add those of another series."""
        self.total += more.total
        self.errors += more.errors
        for limit, count in more.buckets.items():
            self.buckets[limit] = self.buckets.get(limit, 0) + count

    def since(self, before: Counts | None) -> Counts:
        """Return the difference to earlier counts; a counter that fell has begun anew."""
        if before is None or before.total > self.total:
            return self
        buckets = {limit: max(0, count - before.buckets.get(limit, 0)) for limit, count in self.buckets.items()}
        return Counts(self.total - before.total, max(0, self.errors - before.errors), buckets)


def p95_of_buckets(buckets: Mapping[float, float]) -> float | None:
    """Return the 95th percentile in seconds as Prometheus estimates it; None: nothing was measured."""
    limits = sorted(buckets)
    if not limits or not buckets[limits[-1]]:
        return None
    wanted = P95 * buckets[limits[-1]]
    lower, below = 0.0, 0.0
    for limit in limits:
        if buckets[limit] >= wanted:
            if limit == math.inf:
                return lower
            return lower + (limit - lower) * (wanted - below) / (buckets[limit] - below)
        lower, below = limit, buckets[limit]
    return lower


@dataclass(frozen=True, slots=True, kw_only=True)
class Traffic:
    """The figures of one link."""

    rate: float
    """Requests or records per second."""
    errors: float
    """Failed ones per second."""
    p95: float | None
    """Seconds."""
    source: str
    """`metrics`, or `traces`, which may be a sample of all requests."""
