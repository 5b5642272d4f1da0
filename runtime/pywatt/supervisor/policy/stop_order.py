"""Stop order of services (pure): callers and dependents go first."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt.config.model import ServiceConfig


def stop_levels(services: Sequence[ServiceConfig], entrypoint: str | None) -> tuple[tuple[str, ...], ...]:
    """Return groups of ids to stop one after the other; those of a group are stopped side by side.

    The entrypoint goes first, so that nothing new comes in. Services that call each other in a circle go together.
    """
    uses = {service.id: ({*service.dependencies, *service.calls} - {service.id}) for service in services}
    if entrypoint is not None:
        uses[entrypoint] |= {
            service.id for service in services if service.id != entrypoint and entrypoint not in service.dependencies
        }
    left = list(uses)
    levels: list[tuple[str, ...]] = []
    while left:
        used = {callee for caller in left for callee in uses[caller]}
        level = [service for service in left if service not in used]
        if not level:
            # A circle of calls. Real dependencies have none, so those alone order what is left.
            gating = {dependency for service in services if service.id in left for dependency in service.dependencies}
            level = [service for service in left if service not in gating]
        levels.append(tuple(level))
        left = [service for service in left if service not in level]
    return tuple(levels)
