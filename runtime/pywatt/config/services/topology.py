"""How services are related: in which order they start, and below which paths clients of the app reach them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from graphlib import CycleError, TopologicalSorter

from pywatt.config.model import ServiceConfig


def start_levels(services: Sequence[ServiceConfig]) -> tuple[tuple[str, ...], ...]:
    """Return the ids in levels: all of one level may start at once, after the levels before it.

    Inside a level the order is that of `services`. Raises ValueError when the dependencies go round in a circle or name
    a service that is not there; a loaded configuration has neither.
    """
    graph = {service.id: service.dependencies for service in services}
    unknown = {name for names in graph.values() for name in names} - graph.keys()
    if unknown:
        raise ValueError(f"unknown dependencies: {', '.join(sorted(unknown))}")
    cycle = find_cycle(graph)
    if cycle:
        raise ValueError(f"dependency cycle: {' -> '.join(cycle)}")
    rank = {name: index for index, name in enumerate(graph)}
    sorter = TopologicalSorter(graph)
    sorter.prepare()
    levels: list[tuple[str, ...]] = []
    while sorter.is_active():
        level = sorter.get_ready()
        sorter.done(*level)
        levels.append(tuple(sorted(level, key=rank.__getitem__)))
    return tuple(levels)


def find_cycle(graph: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the ids of one circle of dependencies, first id repeated at the end, each depending on the next; or ()."""
    try:
        TopologicalSorter(graph).prepare()
    except CycleError as error:
        backwards: list[str] = error.args[1]
        return tuple(reversed(backwards))
    return ()


def public_paths(leads: Mapping[str, Mapping[str, str]], entrypoint: str | None, base_path: str) -> dict[str, str]:
    """Return the path below which clients reach each service, by id; those that they do not reach are left out.

    `leads`: by id of a gateway, the paths below which it passes requests on, by id. Where a service is reached in
    several ways, the shortest chain of gateways counts, from the entrypoint; without one, each gateway is at the root.
    """
    found = {entrypoint: base_path} if entrypoint is not None else {gateway: "/" for gateway, to in leads.items() if to}
    waiting = list(found)
    for gateway in waiting:
        for service, path in leads.get(gateway, {}).items():
            if service not in found:
                found[service] = f"{found[gateway].rstrip('/')}{path}".rstrip("/") or "/"
                waiting.append(service)
    return found
