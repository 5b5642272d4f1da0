"""Restricts the addresses outside the app that webhooks may be sent to.

The owner of a host's name can point it to an internal address (of a database, of a cloud's metadata) at any time. So
every address is checked when it is connected to. A private one is refused, unless the URL itself shows that it is
intended: it holds the address, or a name that only exists inside.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from contextlib import AsyncExitStack
from types import TracebackType
from typing import Protocol, Self
from urllib.parse import urlsplit

from pywatt.errors import ConnectFailed
from pywatt.http.client.call import Outcome
from pywatt.http.client.client import HttpClient
from pywatt.http.client.dial import Admit
from pywatt.mesh.address import ServiceAddress, locate
from pywatt.mesh.client import MeshClient
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.templates import sample
from pywatt_services.kafka_hooks.wire.headers import RawHeaders

INSIDE = (".local", ".localhost", ".internal", ".lan", ".intranet", ".home.arpa", ".svc", ".test")
"""Suffixes of names that cannot be registered outside; so is any name without a dot."""
_NAT64 = ipaddress.ip_network("64:ff9b::/96")
IPv4Address, IPv6Address = ipaddress.IPv4Address, ipaddress.IPv6Address


def admit_none_private(host: str, address: str) -> None:
    """Refuse every address that is not public. Raises ConnectFailed."""
    if not is_public(address):
        raise ConnectFailed(
            f"{host} leads to {address}, which is not a public address", hint='"allowPrivate": true would allow it'
        )


def admit_meant(host: str, address: str) -> None:
    """Refuse an address that is not public unless the host says so itself. Raises ConnectFailed."""
    if not is_inside(host):
        admit_none_private(host, address)


def is_inside(host: str) -> bool:
    """Tell whether a host is an address, or a name that only exists inside."""
    name = host.rstrip(".").lower()
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return "." not in name or name.endswith(INSIDE)
    return True


def is_public(address: str) -> bool:
    """Tell whether an IP address is one of the internet's: not of this machine, a private network or a group."""
    ip = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(ip, IPv6Address):
        inner = ip.ipv4_mapped or ip.sixtofour or (IPv4Address(int(ip) & 0xFFFFFFFF) if ip in _NAT64 else None)
        if inner is not None:
            return is_public(str(inner))
    return ip.is_global and not ip.is_multicast


class WebhookResponse(Protocol):
    """A webhook's response."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> RawHeaders: ...
    @property
    def body(self) -> bytes: ...


class BegunCall(Protocol):
    """A call that was begun."""

    def end(self) -> None:
        """Cancel the call if it has not ended; its callback is not called."""
        ...


class WebhookClient(Protocol):
    """Makes the calls: an HttpClient, or NoService."""

    async def request(self, method: str, url: str, *, lines: bytes, body: bytes, timeout: float) -> WebhookResponse:
        """Raises MeshError when there is no answer."""
        ...

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> BegunCall | None:
        """Raises MeshError for a URL that cannot be called."""
        ...


class NoService:
    """Refuses the app's own services, for a URL that others may have chosen."""

    async def request(self, method: str, url: str, *, lines: bytes, body: bytes, timeout: float) -> WebhookResponse:
        """Refuse. Raises ConnectFailed."""
        host = urlsplit(url).hostname
        raise ConnectFailed(f"{host} is a service of this app, and allowPrivate is false")

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> None:
        """Leave it to `request`."""


class WebhookClients:
    """The HTTP clients of one worker: the app's own and, for the outside, one for each guard that is needed.

    An async context manager that owns the latter; `of` may be called before it is entered.
    """

    def __init__(self, own: MeshClient) -> None:
        """`own`: the app's, opened and closed by others."""
        self._own = own
        self._guarded: dict[Admit, HttpClient] = {}
        self._stack = AsyncExitStack()

    def of(self, options: WebhookOptions) -> WebhookClient:
        """Return the client for the webhook of an entry."""
        inside = isinstance(locate(sample(options.url)).destination, ServiceAddress)
        if inside and options.allow_private is False:
            return NoService()
        if inside or options.allow_private is True:
            return self._own
        admit = admit_meant if options.allow_private is None else admit_none_private
        if admit not in self._guarded:
            self._guarded[admit] = HttpClient(admit=admit)
        return self._guarded[admit]

    async def __aenter__(self) -> Self:
        for client in self._guarded.values():
            await self._stack.enter_async_context(client)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()
