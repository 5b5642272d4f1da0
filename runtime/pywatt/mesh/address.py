"""Addresses of calls: `http://<id>.plt.local` beside ordinary URLs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache

from pywatt.errors import UnknownService
from pywatt.http.client.address import Address, Location, locate_url
from pywatt.mesh.resolver import mesh_id
from pywatt.mesh.table import MESH_SUFFIX


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Any ready worker of a service of this app."""

    id: str
    """Id in lower case: host names are case-insensitive."""

    def __str__(self) -> str:
        return f"{self.id}{MESH_SUFFIX}"


Destination = ServiceAddress | Address


@lru_cache(maxsize=1024)
def locate(url: str) -> Location[Destination]:
    """Return the parts of an http or https URL, which may name a service of the app. Raises MeshError."""
    location = locate_url(url)
    service = None if location.destination.tls else mesh_id(location.destination.host)
    if service is None:
        return location
    return Location(ServiceAddress(service), f"{service}{MESH_SUFFIX}".encode(), location.target)


def unknown_service(service_id: str, known: Iterable[str]) -> UnknownService:
    """Return the error for an id that no service has; it lists the ids there are, the most similar first."""
    ids = sorted(known, key=lambda each: -difflib.SequenceMatcher(None, service_id, each).ratio())
    return UnknownService(
        f"no service {service_id!r} in this app; known: {', '.join(ids) or 'none'}",
        hint="the id in http://<id>.plt.local must be one of the ids in the root config file",
    )
