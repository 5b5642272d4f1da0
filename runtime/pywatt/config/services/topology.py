"""Relations between services: cycles of dependencies, and the paths below which clients reach services (pure)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from graphlib import CycleError, TopologicalSorter


def find_cycle(graph: Mapping[str, Iterable[str]]) -> tuple[str, ...]:
    """Return the ids of one cycle, each depending on the next, the first repeated at the end; or ()."""
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
