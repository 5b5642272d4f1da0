"""Resolves `<id>.plt.local` to a service's loopback port, or to an error that lists the names there are."""

from __future__ import annotations

import socket
from collections.abc import Callable, Mapping, MutableMapping

from pywatt.mesh.table import MESH_SUFFIX, MeshService, MeshTable

LOOPBACK = "127.0.0.1"
_PROXIES = ("http_proxy", "https_proxy", "all_proxy")
_NO_PROXY = ("no_proxy", "NO_PROXY")


class MeshResolver:
    """Resolves the names of one app from its newest table."""

    def __init__(self, table: Callable[[], MeshTable]) -> None:
        self._table = table

    def address(self, host: object) -> tuple[str, int] | None:
        """Return loopback address and port of a mesh name, None for any other host.

        Raises socket.gaierror when the app has no such service, or when it has no HTTP.
        """
        service_id = mesh_id(host)
        if service_id is None:
            return None
        services = self._table().services
        service = services.get(service_id)
        if service is None:
            raise socket.gaierror(
                socket.EAI_NONAME, f"this app has no service {service_id!r}; it has: {_listed(services)}"
            )
        if service.port is None:
            raise socket.gaierror(socket.EAI_NONAME, f"the service {service_id!r} does not answer HTTP")
        return LOOPBACK, service.port

    def infos(self, host: object, family: int, kind: int) -> list[tuple[int, int, int, str, tuple[str, int]]] | None:
        """Return what `socket.getaddrinfo` answers for a mesh name, None for any other host."""
        address = self.address(host)
        if address is None:
            return None
        if family not in (socket.AF_UNSPEC, socket.AF_INET) or kind not in (0, socket.SOCK_STREAM):
            raise socket.gaierror(socket.EAI_NONAME, f"{host!r} has TCP over IPv4 only")
        return [(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP, "", address)]


def mesh_id(host: object) -> str | None:
    """Return the service id in a host name, None when it is not a mesh name."""
    if isinstance(host, (bytes, bytearray)):
        host = bytes(host).decode("latin-1")
    if not isinstance(host, str):
        return None
    name = host.rstrip(".").lower()
    return name.removesuffix(MESH_SUFFIX) if name.endswith(MESH_SUFFIX) else None


def bypass_proxies(environ: MutableMapping[str, str]) -> None:
    """Keep HTTP clients from sending calls inside the app to the proxy that the environment names, if it names one."""
    if not any(name in environ or name.upper() in environ for name in _PROXIES):
        return
    for name in _NO_PROXY:
        hosts = environ.get(name, "")
        if MESH_SUFFIX not in hosts.split(",") and hosts != "*":
            environ[name] = f"{hosts},{MESH_SUFFIX}" if hosts else MESH_SUFFIX


def _listed(services: Mapping[str, MeshService]) -> str:
    return ", ".join(sorted(service.id for service in services.values() if not service.internal)) or "none"
