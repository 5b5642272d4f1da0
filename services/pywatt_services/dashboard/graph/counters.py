"""Counts of the links from the metrics of the app (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from pywatt.metrics import families, kafka_families
from pywatt.metrics.family import Family
from pywatt_services.dashboard.graph.declared import Declared
from pywatt_services.dashboard.graph.model import CLIENTS, Counts, Link, service_node, target_node, topic_node

FAILED = frozenset({"5xx", "error", "aborted"})
"""Classes of statuses that count as errors on an edge."""
FIRST_FAILED_STATUS = 400
"""Of a webhook, whose target should answer with success."""
READ = (
    families.MESH_REQUESTS,
    families.MESH_SECONDS,
    families.GATEWAY_REQUESTS,
    families.GATEWAY_SECONDS,
    families.HTTP_REQUESTS,
    families.HTTP_SECONDS,
    kafka_families.HOOKS_SECONDS,
    kafka_families.HOOKS_DEAD_LETTERS,
)
Sample = tuple[Mapping[str, str], str, float]
"""Labels, name and value."""


def counts_of_metrics(found: Iterable[Mapping[str, Any]], app: Declared, label: str = "service") -> dict[Link, Counts]:
    """Return the counts of each link since its services started; `label`: the name of the label of services."""
    samples: dict[str, list[Sample]] = defaultdict(list)
    wanted = {family.name for family in READ}
    for family in found:
        if family["name"] in wanted:
            samples[family["name"]] = [
                (each["labels"], each["metricName"], float(each["value"])) for each in family["values"]
            ]
    counts: dict[Link, Counts] = defaultdict(Counts)
    _mesh(counts, samples)
    _clients(counts, samples, app, label)
    _webhooks(counts, samples, app, label)
    # Callers and callees that are pywatt's own, such as this dashboard, have no node.
    return {link: each for link, each in counts.items() if all(_is_shown(end, app) for end in link)}


def _is_shown(end: str, app: Declared) -> bool:
    return end in app.nodes or not end.startswith(service_node("").id)


def _mesh(counts: dict[Link, Counts], samples: Mapping[str, list[Sample]]) -> None:
    for labels, counted in _counted(samples, families.MESH_REQUESTS, families.MESH_SECONDS):
        counts[(service_node(labels.get("caller", "")).id, service_node(labels.get("callee", "")).id)].add(counted)


def _clients(counts: dict[Link, Counts], samples: Mapping[str, list[Sample]], app: Declared, label: str) -> None:
    if not app.entrypoint:
        return
    node = service_node(app.entrypoint).id
    pair = (
        (families.GATEWAY_REQUESTS, families.GATEWAY_SECONDS)
        if app.entrypoint in app.gateways
        else (families.HTTP_REQUESTS, families.HTTP_SECONDS)
    )
    entry = Counts()
    for labels, counted in _counted(samples, *pair):
        if labels.get(label) == app.entrypoint:
            entry.add(counted)
    # What other services have sent is not from clients.
    inside = sum(each.total for (_, target), each in counts.items() if target == node)
    entry.total = max(0, entry.total - inside)
    if entry.total:
        counts[(CLIENTS, node)].add(entry)


def _webhooks(counts: dict[Link, Counts], samples: Mapping[str, list[Sample]], app: Declared, label: str) -> None:
    for labels, name, value in samples[kafka_families.HOOKS_SECONDS.name]:
        service, topic, status = labels.get(label, ""), labels.get("topic", ""), labels.get("status_code", "")
        node = service_node(service).id
        failed = not status.isdigit() or int(status) >= FIRST_FAILED_STATUS
        counted = _part(name, labels, value, failed=failed)
        counts[(topic_node(topic).id, node)].add(counted)
        targets = app.webhook_targets.get((service, topic), set())
        for target in targets if len(targets) == 1 else ():
            # The calls of services are counted by the mesh, each by itself.
            if target.startswith(target_node("").id):
                counts[(node, target)].add(counted)
    for labels, _, value in samples[kafka_families.HOOKS_DEAD_LETTERS.name]:
        for letters in app.dead_letters.get((labels.get(label, ""), labels.get("topic", "")), ()):
            counts[(service_node(labels.get(label, "")).id, letters)].add(Counts(total=value))


def _counted(
    samples: Mapping[str, list[Sample]], requests: Family, seconds: Family
) -> Iterator[tuple[Mapping[str, str], Counts]]:
    for labels, _, value in samples[requests.name]:
        yield labels, Counts(total=value, errors=value if labels.get("status") in FAILED else 0)
    for labels, name, value in samples[seconds.name]:
        if name.endswith("_bucket"):
            yield labels, Counts(buckets={float(labels.get("le", "inf")): value})


def _part(name: str, labels: Mapping[str, str], value: float, *, failed: bool) -> Counts:
    """Return what one sample of a histogram adds."""
    if name.endswith("_bucket"):
        return Counts(buckets={float(labels.get("le", "inf")): value})
    return Counts(total=value, errors=value if failed else 0) if name.endswith("_count") else Counts()
