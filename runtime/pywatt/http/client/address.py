"""Addresses that connections are opened to, and the parts of a URL that a client needs."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Generic, TypeVar
from urllib.parse import urlsplit

from pywatt.errors import MeshError

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

DestinationT_co = TypeVar("DestinationT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Location(Generic[DestinationT_co]):
    """The parts of a URL that a client needs."""

    destination: DestinationT_co
    authority: bytes
    """Value of the Host header."""
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
def locate_url(url: str) -> Location[TcpAddress]:
    """Return the parts of an http or https URL. Raises MeshError for anything else."""
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
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    try:
        authority = (host if port is None else f"{host}:{port}").encode("idna" if not host.isascii() else "ascii")
    except UnicodeError as error:
        raise MeshError(f"the host of the URL {_shown(url)} is not valid") from error
    destination = TcpAddress(parts.hostname, port or DEFAULT_PORTS[parts.scheme], tls=parts.scheme == "https")
    return Location(destination, authority, target.encode())


def _shown(url: str) -> str:
    """Return a URL for an error, without its secrets: it may hold a password."""
    from pywatt.redaction import hide  # only a mistake pays for this import

    return repr(hide(url))
