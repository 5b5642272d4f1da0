"""The configuration of the dashboard: data only."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class DashboardConfig:
    """The dashboard. Ours: `dashboard`."""

    enabled: bool | None = None
    """None: it runs with the app in development, and in production once `pywatt dashboard` asks for it."""
    hostname: str = "127.0.0.1"
    port: int = 0
    """0: any free port."""
    token: str | None = None
    """None: a random one for each run of the app, which `pywatt dashboard` knows."""
    read_only: bool = False
    """True: it shows, and changes nothing."""
    allowed_hosts: tuple[str, ...] = ()
    """Further names under which it may be reached, such as that of a proxy in front."""


UNSET_DASHBOARD = DashboardConfig()
"""That of an app whose root file has no such block."""
