"""The graph as a live state: configuration, metrics and spans in one document."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pywatt.channel.messages import Answer
from pywatt.control.error_json import to_json
from pywatt.errors import ControlError, PywattError
from pywatt_services.dashboard.graph.counters import counts_of_metrics
from pywatt_services.dashboard.graph.declared import Declared, declared
from pywatt_services.dashboard.graph.model import Link, Node, Traffic, service_node, topic_node
from pywatt_services.dashboard.graph.spans import traffic_of_spans
from pywatt_services.dashboard.graph.window import Window
from pywatt_services.dashboard.live_state import LiveState
from pywatt_services.dashboard.traces.store import TraceStore

SECONDS = 2.0
"""Pause between two looks."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
Collect = Callable[[str | None], Awaitable[tuple[bool, list[dict[str, Any]]]]]


class GraphReader:
    """Looks at the app."""

    def __init__(self, ask: Ask, collect: Collect, store: TraceStore) -> None:
        self._ask = ask
        self._collect = collect
        self._store = store
        self._window = Window()

    async def look(self) -> dict[str, Any]:
        """Return the graph, or the reason why there is none, as JSON values."""
        now = time.time()
        answers = [await self._ask("services", {"usage": False}), await self._ask("config", {})]
        failed = next((answer.error for answer in answers if answer.error is not None), None)
        if failed is not None:
            return {"at": now, "error": dict(failed), "nodes": [], "edges": []}
        rows, config = answers[0].result["services"], answers[1].result
        app = declared(config["services"], rows)
        label = (config.get("metrics") or {}).get("application_label", "service")
        problem = None
        counting, metrics = False, dict[Link, Traffic]()
        try:
            counting, families = await self._collect(None)
            metrics = self._window.add(time.monotonic(), counts_of_metrics(families, app, label))
        except PywattError as error:
            problem = to_json(error)
        except (TimeoutError, OSError) as error:
            problem = to_json(
                ControlError(f"the metrics cannot be collected now: {str(error) or type(error).__name__}")
            )
        spans, more = traffic_of_spans((trace for trace in reversed(self._store.traces.values())), app, now)
        states = {service_node(row["id"]).id: row["state"] for row in rows}
        return {
            "at": now,
            "error": problem,
            "counting": counting,
            **graph_document(app, more, {**spans, **metrics}, states),
        }


def graph_document(
    app: Declared, more: Mapping[str, Node], traffic: Mapping[Link, Traffic], states: Mapping[str, str]
) -> dict[str, Any]:
    """Return nodes and edges as JSON values (pure); `more`: nodes that only spans tell of."""
    nodes = dict(app.nodes)
    links = {link: traffic.get(link) for link in sorted(app.links | traffic.keys())}
    for ends in links:
        for end in ends:
            if end not in nodes and (node := more.get(end) or _named(end)) is not None:
                nodes[end] = node
    return {
        "nodes": [
            {"id": node.id, "kind": node.kind.value, "name": node.name, "state": states.get(node.id)}
            for node in nodes.values()
        ],
        "edges": [
            {
                "from": source,
                "to": target,
                "declared": (source, target) in app.links,
                "traffic": None
                if found is None
                else {"rate": found.rate, "errors": found.errors, "p95": found.p95, "source": found.source},
            }
            for (source, target), found in links.items()
            if source in nodes and target in nodes
        ],
    }


def _named(end: str) -> Node | None:
    """Return the node of a topic that metrics name, such as one that a pattern of topics takes."""
    kind, _, name = end.partition(":")
    return topic_node(name) if kind == "topic" else None


def live_graph(ask: Ask, collect: Collect, store: TraceStore, pause: float = SECONDS) -> LiveState:
    """Return the state of the graph."""
    return LiveState("graph", GraphReader(ask, collect, store).look, pause)
