"""Traffic of the links from the spans of the last minute (pure)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import islice

from pywatt_services.dashboard.graph.declared import Declared
from pywatt_services.dashboard.graph.model import (
    CLIENTS_NODE,
    P95,
    Link,
    Node,
    NodeKind,
    Traffic,
    service_node,
    topic_node,
)
from pywatt_services.dashboard.otlp.spans import Span
from pywatt_services.dashboard.traces.store import NANOSECONDS, Trace

SECONDS = 60.0
LEAST_SECONDS = 5.0
MOST_TRACES = 2000
MOST_NODES = 60
"""Of topics and hosts that only spans tell of."""


def traffic_of_spans(traces: Iterable[Trace], app: Declared, now: float) -> tuple[dict[Link, Traffic], dict[str, Node]]:
    """Return the traffic of each link and its nodes; `traces`: the most recently changed first."""
    begin = int((now - SECONDS) * NANOSECONDS)
    first = int(now * NANOSECONDS)
    """Start of the first span that was looked at: the store may not reach back a minute."""
    nodes: dict[str, Node] = {}
    spans: dict[Link, list[Span]] = defaultdict(list)
    service = _services(app)
    for trace in islice(traces, MOST_TRACES):
        first = min(first, *(span.start for span in trace.spans.values()))
        if all(span.end < begin for span in trace.spans.values()):
            break
        for span in trace.spans.values():
            for ends in _links(span, trace.spans, app, service) if span.start >= begin else ():
                new = [node for node in ends if node.id not in app.nodes and node.id not in nodes]
                if len(nodes) + len(new) <= MOST_NODES:
                    nodes.update((node.id, node) for node in new)
                    spans[(ends[0].id, ends[1].id)].append(span)
    period = max(LEAST_SECONDS, min(SECONDS, now - first / NANOSECONDS))
    return {link: _traffic(found, period) for link, found in spans.items()}, nodes


def _services(app: Declared) -> Callable[[str], Node]:
    """Return the finder of a span's service, whose name is `<app>-<service>` where pywatt gave it."""
    ids = sorted((node.name for node in app.nodes.values() if node.id.startswith("service:")), key=len, reverse=True)
    known: dict[str, Node] = {}

    def find(name: str) -> Node:
        if name not in known:
            fitting = name if name in ids else next((each for each in ids if name.endswith(f"-{each}")), name)
            known[name] = service_node(fitting)
        return known[name]

    return find


def _links(
    span: Span, spans: Mapping[str, Span], app: Declared, service: Callable[[str], Node]
) -> Iterator[tuple[Node, Node]]:
    """Yield where the span's request or record came from and went to."""
    here = service(span.service)
    parent = spans.get(span.parent)
    topic = span.attributes.get("messaging.destination.name")
    if span.kind in ("server", "producer"):
        if parent is not None:
            there = service(parent.service)
            if there.id != here.id:
                yield there, here
        elif span.kind == "server" and here == service_node(app.entrypoint):
            yield CLIENTS_NODE, here
    if topic and span.kind == "producer":
        yield here, topic_node(str(topic))
    elif topic and span.kind == "consumer":
        yield topic_node(str(topic)), here
    elif span.kind == "client" and "server.address" in span.attributes and not topic:
        host, port = str(span.attributes["server.address"]), span.attributes.get("server.port")
        there = app.place(f"http://{host}:{port}" if port else f"http://{host}")
        if there.kind is NodeKind.TARGET:
            yield here, there


def _traffic(spans: list[Span], period: float) -> Traffic:
    durations = sorted(max(0, span.end - span.start) for span in spans)
    return Traffic(
        rate=len(spans) / period,
        errors=sum(span.error for span in spans) / period,
        p95=durations[min(len(durations) - 1, int(P95 * len(durations)))] / NANOSECONDS,
        source="traces",
    )
