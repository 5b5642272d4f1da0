"""The difference between a running app's configuration and a newly read one (pure)."""

from __future__ import annotations

from dataclasses import dataclass

from pywatt.config.model import RuntimeConfig, ServiceConfig
from pywatt.supervisor.policy.stop_order import stop_levels


@dataclass(frozen=True, slots=True, kw_only=True)
class ConfigDiff:
    """Services to add, change and remove."""

    added: tuple[ServiceConfig, ...]
    changed: tuple[ServiceConfig, ...]
    """Changed services with their new configuration, callees first."""
    removed: tuple[str, ...]
    """Callers first."""
    rebound: bool
    """True if the public address is another one."""

    @property
    def empty(self) -> bool:
        """Return whether nothing is different."""
        return not (self.added or self.changed or self.removed or self.rebound)


def config_diff(old: RuntimeConfig, new: RuntimeConfig) -> ConfigDiff:
    """Return the changes that lead from the old configuration to the new one."""
    before = {service.id: service for service in old.services}
    after = {service.id: service for service in new.services}
    rebound = (old.server.address, old.entrypoint is None) != (new.server.address, new.entrypoint is None)
    entries = {old.entrypoint, new.entrypoint}
    moved = rebound or old.server != new.server or old.entrypoint != new.entrypoint or old.base_path != new.base_path
    callees_first = [service for level in reversed(stop_levels(new.services, new.entrypoint)) for service in level]
    callers_first = [service for level in stop_levels(old.services, old.entrypoint) for service in level]
    return ConfigDiff(
        added=tuple(after[service] for service in callees_first if service not in before),
        changed=tuple(
            after[service]
            for service in callees_first
            if service in before and (before[service] != after[service] or (moved and service in entries))
        ),
        removed=tuple(service for service in callers_first if service not in after),
        rebound=rebound,
    )
