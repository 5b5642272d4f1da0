"""The listening sockets of the entrypoint: the public one, and the one whose requests are redirected to it."""

from __future__ import annotations

import socket
from dataclasses import dataclass, replace

from pywatt.config.model import RuntimeConfig, ServerConfig
from pywatt.supervisor.process.sockets import open_public, public_url


@dataclass(frozen=True, slots=True)
class Entrance:
    """The sockets of a service that is reached from outside."""

    public: socket.socket | None = None
    redirect: socket.socket | None = None

    @property
    def sockets(self) -> tuple[socket.socket, ...]:
        """The sockets that are there."""
        return tuple(sock for sock in (self.public, self.redirect) if sock is not None)

    def url(self, server: ServerConfig) -> str | None:
        """Return the URL of the app; None without a public socket."""
        return None if self.public is None else public_url(self.public, secure=server.https is not None)

    def close(self, *, but: Entrance | None = None) -> None:
        """Close the sockets, except those that another one has too."""
        for sock in self.sockets:
            if but is None or sock not in but.sockets:
                sock.close()


CLOSED = Entrance()


def open_entrance(config: RuntimeConfig, *, old: RuntimeConfig | None = None, now: Entrance = CLOSED) -> Entrance:
    """Return the sockets for a configuration; those that are open `now` for an `old` one stay if the address does.

    Raises AddressInUse, StartError.
    """
    if config.entrypoint is None:
        return CLOSED
    server = config.server
    public = now.public if old is not None and old.server.address == server.address else None
    redirect = now.redirect if old is not None and _redirect(old) == _redirect(config) else None
    made: list[socket.socket] = []
    try:
        if public is None:
            made.append(public := open_public(server))
        if redirect is None and _redirect(config) is not None:
            place = replace(server, port=server.redirect_from or 0)
            made.append(redirect := open_public(place, key="server", port_key="server.https.redirectFrom"))
    except BaseException:
        for sock in made:
            sock.close()
        raise
    return Entrance(public, redirect)


def _redirect(config: RuntimeConfig) -> tuple[str, int] | None:
    server = config.server
    return None if server.redirect_from is None else (server.hostname, server.redirect_from)
