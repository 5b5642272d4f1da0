"""A request as policies see it, and what they say of it."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from pywatt.http.headers import Header, Headers
from pywatt.http.request import RequestHead
from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON
from pywatt_services.gateway.client_address import ClientAddress

LOCAL = b"127.0.0.1"
"""The address of a client on a unix socket: another part of the app."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A response in place of the service's."""

    status: int
    headers: Headers = ()
    body: bytes = b""


class Later:
    """A decision that takes time. Nothing begins before it is awaited, so it can be dropped."""

    __slots__ = ("_decide",)

    def __init__(self, decide: Callable[[], Coroutine[Any, Any, Verdict]]) -> None:
        self._decide = decide

    def __await__(self) -> Generator[Any, Any, Verdict]:
        return self._decide().__await__()


Verdict: TypeAlias = "Answer | None"
"""None: the request may go on."""
Check: TypeAlias = "Callable[[PolicyRequest], Verdict | Later]"
"""Decides on a request; may change the headers that the service gets."""
Change: TypeAlias = "Callable[[PolicyRequest, list[Header]], list[Header]]"
"""Returns the headers of a response with its changes."""


@dataclass(slots=True, eq=False)
class PolicyRequest:
    """A request, before it goes to the service."""

    head: RequestHead
    """Its headers may be replaced; the list itself is shared by requests, and must not be changed."""
    client: ClientAddress
    ip: bytes
    """The address of the client; of a trusted proxy's client, if one stands in front."""
    received: int = 0
    """Bytes of the body that came with the head."""
    ended: Callable[[], None] | None = None
    """Called once when the exchange is over."""
    added: Headers = ()
    """Headers that its response gets."""
    claims: Mapping[str, Any] = field(default_factory=dict)
    """The claims of its token."""

    @property
    def https(self) -> bool:
        """True if the client came by https."""
        told = self.header(b"x-forwarded-proto").lower() if self.client.trusted else b""
        return (told or self.client.scheme) == b"https"

    def header(self, name: bytes) -> bytes:
        """Return the last value of a header, by its name in lower case; empty without one."""
        for each, value in reversed(self.head.headers):
            if len(each) == len(name) and each.lower() == name:
                return value
        return b""

    def values(self, name: bytes) -> list[bytes]:
        """Return all values of a header, by its name in lower case."""
        return [value for each, value in self.head.headers if len(each) == len(name) and each.lower() == name]


def policy_request(head: RequestHead, client: ClientAddress, received: int = 0) -> PolicyRequest:
    """Return the request for policies, with the address of its client.

    A trusted proxy has appended the address that it saw to X-Forwarded-For: the last one counts, since a client may
    have sent any others.
    """
    ip = client.ip
    if client.trusted:
        for name, value in reversed(head.headers):
            if name.lower() == b"x-forwarded-for":
                ip = value.rpartition(b",")[2].strip() or ip
                break
    return PolicyRequest(head, client, ip or LOCAL, received)


def refusal(status: int, message: str, *headers: Header) -> Answer:
    """Return an error response in the form of the gateway's other ones."""
    return Answer(status, (JSON, *headers), error_body(status, message))
