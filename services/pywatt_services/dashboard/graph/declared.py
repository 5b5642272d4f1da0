"""The part of the graph that the configuration tells: routes of gateways, topics and webhooks (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from pywatt.mesh.table import MESH_SUFFIX
from pywatt_services.dashboard.graph.model import CLIENTS_NODE, Link, Node, service_node, target_node, topic_node

GATEWAY, KAFKA_HOOKS = "gateway", "kafka-hooks"


@dataclass(slots=True)
class Declared:
    """Nodes and links, and the services whose figures the metrics of a kafka-hooks service tell."""

    nodes: dict[str, Node] = field(default_factory=dict)
    links: set[Link] = field(default_factory=set)
    gateways: set[str] = field(default_factory=set)
    entrypoint: str = ""
    webhook_targets: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Ids of the nodes that get the records of a topic, by service and topic."""
    dead_letters: dict[tuple[str, str], set[str]] = field(default_factory=dict)
    """Ids of the topics of their dead letters."""

    def link(self, source: Node, target: Node) -> None:
        """Add a link with both ends."""
        self.nodes.setdefault(source.id, source)
        self.nodes.setdefault(target.id, target)
        self.links.add((source.id, target.id))

    def place(self, url: str) -> Node:
        """Return the node of a URL: a service of the app, or a host outside."""
        try:
            parts = urlsplit(url)
        except ValueError:  # a template, or the attribute of a span
            return target_node(url)
        host = (parts.hostname or "").lower()
        node = service_node(host.removesuffix(MESH_SUFFIX))
        if host.endswith(MESH_SUFFIX) and node.id in self.nodes:
            return node
        return target_node(parts.netloc.rpartition("@")[2] or url)


def declared(services: Sequence[Mapping[str, Any]], rows: Iterable[Mapping[str, Any]]) -> Declared:
    """Return what the configuration of the services tells; `rows`: their states."""
    found = Declared()
    for row in rows:
        if not row["internal"]:
            node = service_node(row["id"])
            found.nodes[node.id] = node
            if row["entrypoint"]:
                found.entrypoint = row["id"]
                found.link(CLIENTS_NODE, node)
    for service in services:
        node = service_node(service["id"])
        if node.id not in found.nodes:
            continue
        options = service.get("options") or {}
        if service["type"] == GATEWAY:
            found.gateways.add(service["id"])
            for proxy in options.get("proxies", ()):
                found.link(node, found.place(proxy["origin"]))
        elif service["type"] == KAFKA_HOOKS:
            _webhooks(found, node, service["id"], options)
    return found


def _webhooks(found: Declared, node: Node, service: str, options: Mapping[str, Any]) -> None:
    for webhook in options.get("webhooks", ()):
        topic, target = webhook["topic"], found.place(webhook["url"])
        found.link(topic_node(topic), node)
        found.link(node, target)
        found.webhook_targets.setdefault((service, topic), set()).add(target.id)
        if webhook.get("dlq"):
            letters = topic_node(webhook["dlq"])
            found.link(node, letters)
            found.dead_letters.setdefault((service, topic), set()).add(letters.id)
    for pair in options.get("request_replies", ()):
        found.link(node, topic_node(pair["request_topic"]))
        found.link(topic_node(pair["response_topic"]), node)
