"""`http://<id>.plt.local` for any HTTP client in a worker: name resolution answers for the names of the app.

Whatever port a URL names, the answer is the service's loopback port. Clients resolve names in few ways, each of which
is adapted: `socket.getaddrinfo` (requests, urllib, everything on asyncio's own loop), uvloop's C code, anyio (httpx),
which drops the port of an answer, and aiodns, which aiohttp prefers when it is installed.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import importlib.util
import os
import socket
import sys
from collections.abc import Callable, Sequence
from types import ModuleType
from typing import Any

import anyio
import uvloop

from pywatt.mesh.names import MeshNames, bypass_proxies
from pywatt.mesh.table import MeshTable

_system_getaddrinfo = socket.getaddrinfo
_anyio_connect_tcp = anyio.connect_tcp
_names: MeshNames | None = None
"""Names are resolved per process, so this is too."""


def install(table: Callable[[], MeshTable]) -> None:
    """Answer for the names of the app from now on; `table` returns its newest picture.

    Must run before user code is imported, which may keep references of its own. A later call replaces the table.
    """
    global _names  # noqa: PLW0603
    first = _names is None
    _names = MeshNames(table)
    bypass_proxies(os.environ)
    if first:
        socket.getaddrinfo = _getaddrinfo
        anyio.connect_tcp = _connect_tcp
        if "aiohttp.resolver" in sys.modules:
            _adapt_aiohttp(sys.modules["aiohttp.resolver"])
        else:
            sys.meta_path.insert(0, _AiohttpFinder())


class MeshLoop(uvloop.Loop):
    """A uvloop that knows the names of the app."""

    async def create_connection(
        self, protocol_factory: Callable[[], Any], host: Any = None, port: Any = None, **options: Any
    ) -> Any:
        """Connect; an address of ours replaces host and port."""
        address = _names.address(host) if _names else None
        if address is not None:
            if options.get("ssl") and options.get("server_hostname") is None:
                options["server_hostname"] = host
            host, port = address
        return await super().create_connection(protocol_factory, host, port, **options)

    async def getaddrinfo(
        self,
        host: Any,
        port: Any,
        *,
        family: int = 0,
        type: int = 0,  # noqa: A002
        proto: int = 0,
        flags: int = 0,
    ) -> Any:
        """Resolve a name."""
        infos = _names.infos(host, family, type) if _names else None
        if infos is not None:
            return infos
        return await super().getaddrinfo(host, port, family=family, type=type, proto=proto, flags=flags)


def new_event_loop() -> MeshLoop:
    """Return the event loop of a worker."""
    return MeshLoop()


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


async def _connect_tcp(remote_host: Any, remote_port: Any, **options: Any) -> Any:
    address = _names.address(remote_host) if _names else None
    if address is not None:
        if (options.get("tls") or options.get("ssl_context")) and options.get("tls_hostname") is None:
            options["tls_hostname"] = remote_host
        remote_host, remote_port = address
    return await _anyio_connect_tcp(remote_host, remote_port, **options)


class _AiohttpFinder(importlib.abc.MetaPathFinder):
    """Adapts aiohttp's own resolver at the moment that a program imports it; nothing of ours does."""

    def find_spec(
        self,
        fullname: str,
        path: Sequence[str] | None,
        target: ModuleType | None = None,
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname != "aiohttp.resolver":
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(fullname)
        if spec is not None and spec.loader is not None:
            spec.loader = _AiohttpLoader(spec.loader)
        return spec


class _AiohttpLoader(importlib.abc.Loader):
    def __init__(self, loader: importlib.abc.Loader) -> None:
        self._loader = loader

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        _adapt_aiohttp(module)


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
