"""Where calls go: `http://<id>.plt.local`, endpoints of workers, and ordinary URLs."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, field
from functools import lru_cache
from urllib.parse import urlsplit

from pywatt.errors import MeshError, UnknownService
from pywatt.mesh.names import mesh_id
from pywatt.mesh.table import MESH_SUFFIX

DEFAULT_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class UnixAddress:
    """A unix socket."""

    path: str

    def __str__(self) -> str:
        return f"unix:{self.path}"


@dataclass(frozen=True, slots=True)
class TcpAddress:
    """A TCP port, with or without TLS."""

    host: str
    port: int
    tls: bool = False

    def __str__(self) -> str:
        return f"{self.host}:{self.port}"


Address = UnixAddress | TcpAddress


@dataclass(frozen=True, slots=True)
class ServiceAddress:
    """Any ready worker of a service of this app."""

    id: str
    """In lower case: names of hosts are case-insensitive."""

    def __str__(self) -> str:
        return f"{self.id}{MESH_SUFFIX}"


Destination = ServiceAddress | TcpAddress


@dataclass(frozen=True, slots=True)
class Location:
    """What a URL says to a client."""

    destination: Destination
    authority: bytes
    """For the Host header."""
    target: bytes
    """Path and query."""
    after_method: bytes = field(init=False)
    """The head of a request, from behind its method to the Host header."""

    def __post_init__(self) -> None:
        after_method = b" %b HTTP/1.1\r\nhost: %b\r\n" % (self.target, self.authority)
        object.__setattr__(self, "after_method", after_method)


def parse_endpoint(address: str) -> Address:
    """Return the address of an endpoint: `unix:/path` or `tcp:host:port`. Raises ValueError."""
    kind, _, rest = address.partition(":")
    if kind == "unix" and rest:
        return UnixAddress(rest)
    host, _, port = rest.rpartition(":")
    if kind == "tcp" and host and port.isdigit():
        return TcpAddress(host.strip("[]"), int(port))
    raise ValueError(f"not the address of an endpoint: {address!r}")


@lru_cache(maxsize=1024)
def locate(url: str) -> Location:
    """Return what an http or https URL says. Raises MeshError for anything else."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError as error:
        raise MeshError(f"not a URL: {_shown(url)} ({error})") from error
    if parts.scheme not in DEFAULT_PORTS or not parts.hostname:
        raise MeshError(f"not an http or https URL: {_shown(url)}")
    if parts.username is not None or parts.password is not None:
        raise MeshError(f"the URL of {parts.hostname} holds a user name or password; send an Authorization header")
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    # Of the whole URL, because urlsplit drops line ends.
    if not target.isascii() or any(character <= " " or character == "\x7f" for character in url):
        raise MeshError(f"the URL {_shown(url)} has characters that must be percent-encoded")
    service = mesh_id(parts.hostname)
    if service is not None and parts.scheme == "http":
        return Location(ServiceAddress(service), f"{service}{MESH_SUFFIX}".encode(), target.encode())
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    try:
        authority = (host if port is None else f"{host}:{port}").encode("idna" if not host.isascii() else "ascii")
    except UnicodeError as error:
        raise MeshError(f"the host of the URL {_shown(url)} is not valid") from error
    destination = TcpAddress(parts.hostname, port or DEFAULT_PORTS[parts.scheme], tls=parts.scheme == "https")
    return Location(destination, authority, target.encode())


def unknown_service(service_id: str, known: Iterable[str]) -> UnknownService:
    """Return the error for an id that no service has; it lists the ids there are, the most similar first."""
    ids = sorted(known, key=lambda each: -difflib.SequenceMatcher(None, service_id, each).ratio())
    return UnknownService(
        f"no service {service_id!r} in this app; known: {', '.join(ids) or 'none'}",
        hint="the id in http://<id>.plt.local must be one of the ids in the root config file",
    )


def _shown(url: str) -> str:
    """Return a URL for an error: it may hold a password."""
    from pywatt.redaction import hide  # only a mistake pays for this import

    return repr(hide(url))
