"""Patches name resolution, so that `http://<id>.plt.local` works with any HTTP client in a worker.

The answer is the service's loopback port, also when a URL names another one. Clients resolve names in few ways, each of
which is adapted: `socket.getaddrinfo` (requests, urllib, everything on asyncio's own loop), uvloop's C code, anyio
(httpx), which drops the port of an answer, and aiodns, which aiohttp prefers when it is installed. Child processes
resolve the names too: `pywatt.mesh.child_process_patches`.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from types import ModuleType
from typing import TYPE_CHECKING, Any

from pywatt.mesh.import_hook import on_import
from pywatt.mesh.resolver import MeshResolver, bypass_proxies
from pywatt.mesh.table import MeshTable

if TYPE_CHECKING:
    import uvloop

_system_getaddrinfo = socket.getaddrinfo
_names: MeshResolver | None = None
"""Names are resolved per process, so this is too."""


def install(table: Callable[[], MeshTable]) -> None:
    """Answer for the names of the app from now on; `table` returns its newest table.

    Must run before user code is imported, which may keep references of its own. A later call replaces the table.
    """
    global _names  # noqa: PLW0603
    first = _names is None
    _names = MeshResolver(table)
    bypass_proxies(os.environ)
    if first:
        socket.getaddrinfo = _getaddrinfo
        on_import("anyio", _adapt_anyio)
        on_import("uvloop", _adapt_uvloop)
        on_import("aiohttp.resolver", _adapt_aiohttp)


def new_event_loop() -> uvloop.Loop:
    """Return the event loop of a worker."""
    import uvloop

    return uvloop.new_event_loop()


def _getaddrinfo(
    host: Any,
    port: Any,
    family: int = 0,
    type: int = 0,  # noqa: A002
    proto: int = 0,
    flags: int = 0,
) -> Any:
    infos = _names.infos(host, family, type) if _names else None
    return infos if infos is not None else _system_getaddrinfo(host, port, family, type, proto, flags)


def _adapt_uvloop(module: ModuleType) -> None:
    create_connection, getaddrinfo = module.Loop.create_connection, module.Loop.getaddrinfo

    async def create_connection_mesh_too(
        self: Any, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        address = _names.address(host) if _names else None
        if address is not None:
            if options.get("ssl") and options.get("server_hostname") is None:
                options["server_hostname"] = host
            host, port = address
        return await create_connection(self, protocol_factory, host, port, **options)

    async def getaddrinfo_mesh_too(
        self: Any,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        infos = _names.infos(host, family, type) if _names else None
        if infos is not None:
            return infos
        return await getaddrinfo(self, host, port, family=family, type=type, proto=proto, flags=flags)

    module.Loop.create_connection = create_connection_mesh_too
    module.Loop.getaddrinfo = getaddrinfo_mesh_too


def _adapt_anyio(module: Any) -> None:
    connect_tcp = module.connect_tcp

    async def connect_tcp_mesh_too(remote_host: Any, remote_port: Any, **options: Any) -> Any:
        address = _names.address(remote_host) if _names else None
        if address is not None:
            if (options.get("tls") or options.get("ssl_context")) and options.get("tls_hostname") is None:
                options["tls_hostname"] = remote_host
            remote_host, remote_port = address
        return await connect_tcp(remote_host, remote_port, **options)

    module.connect_tcp = connect_tcp_mesh_too


def _adapt_aiohttp(module: ModuleType) -> None:
    resolve = module.AsyncResolver.resolve

    async def resolve_mesh_too(self: Any, host: str, port: int = 0, family: int = socket.AF_INET) -> Any:
        infos = _names.infos(host, family, socket.SOCK_STREAM) if _names else None
        if infos is None:
            return await resolve(self, host, port, family)
        return [
            {"hostname": host, "host": ip, "port": mesh_port, "family": kin, "proto": proto, "flags": 0}
            for kin, _, proto, _, (ip, mesh_port) in infos
        ]

    module.AsyncResolver.resolve = resolve_mesh_too
