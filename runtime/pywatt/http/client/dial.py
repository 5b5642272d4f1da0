"""Opens connections to TCP, TLS and unix addresses."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable

from pywatt.errors import ConnectFailed
from pywatt.http.client.address import Address, TcpAddress, UnixAddress
from pywatt.http.client.connection import ClientConnection, Owner

Admit = Callable[[str, str], None]
"""Takes a host and one of its IP addresses; raises ConnectFailed when that must not be connected to."""


async def dial(
    owner: Owner, address: Address, *, tls: ssl.SSLContext | None = None, admit: Admit | None = None
) -> ClientConnection:
    """Open a connection. `admit` is asked about every address that a host's name leads to.

    Raises OSError, ConnectFailed.
    """
    loop = asyncio.get_running_loop()
    if isinstance(address, UnixAddress):
        return (await loop.create_unix_connection(lambda: ClientConnection(owner), address.path))[1]
    if admit is None:
        return await _dial_host(owner, address.host, address, tls)
    # Each address that is tried has been checked: asking for the name again could give another answer.
    infos = await loop.getaddrinfo(address.host, address.port, type=socket.SOCK_STREAM)
    error: Exception = OSError(f"{address.host} has no address")
    for host in dict.fromkeys(str(info[4][0]) for info in infos):
        try:
            admit(address.host, host)
            return await _dial_host(owner, host, address, tls)
        except (OSError, ConnectFailed) as refused:
            error = refused
    raise error


async def _dial_host(owner: Owner, host: str, address: TcpAddress, tls: ssl.SSLContext | None) -> ClientConnection:
    loop = asyncio.get_running_loop()
    if not address.tls:
        return (await loop.create_connection(lambda: ClientConnection(owner), host, address.port))[1]
    context = tls or ssl.create_default_context()
    made = await loop.create_connection(
        lambda: ClientConnection(owner), host, address.port, ssl=context, server_hostname=address.host
    )
    return made[1]
