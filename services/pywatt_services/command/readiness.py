"""Waits until a program that was just started accepts connections or answers a probe, and finds its address."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import AsyncIterator, Callable, Sequence
from itertools import count

from pywatt.backoff import backoff
from pywatt.errors import MeshError
from pywatt.http.client.address import TcpAddress
from pywatt.http.client.get_status import get_status
from pywatt_services.command.listening import Address

FIRST_PAUSE = 0.005
LONGEST_PAUSE = 0.25
"""Seconds between two attempts: the first and the longest; the pause doubles."""
PROBE_LIMIT = 5.0
"""Timeout of one probe in seconds."""
LOOK_PAUSE = 0.5
"""Seconds between two checks of the addresses of a program that does not answer on its port."""
SETTLED = 2.0
"""Seconds for which it must have listened on another port before that is used: its own may still open."""
SILENT = 10.0
"""Seconds without an open port after which a program is reported: many starts take some."""
GOOD = range(200, 400)

logger = logging.getLogger("pywatt.command")


def free_port() -> int:
    """Return a free loopback port."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def is_taken(port: int) -> bool:
    """Return whether a loopback port accepts connections."""
    with socket.socket() as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            sock.bind(("127.0.0.1", port))
        except OSError:
            return True
        return False


async def wait_until_ready(
    given: Address, probe: str | None, *, name: str, listening: Callable[[], Sequence[Address]]
) -> Address:
    """Try until the program answers and return its address; the caller sets the limit.

    `given` is where it should; `listening` returns where it listens in truth.
    """
    warning = PortWarning(given, name, listening)
    async for _ in _attempts():
        if await _answers(given, probe):
            return given
        other = warning.look(asyncio.get_running_loop().time())
        if other is not None and await _answers(other, probe):
            logger.warning("%s listens on %s, not on %s as PORT and HOST say: it is reached there", name, other, given)
            return other
    raise AssertionError("attempts go on for ever")


class PortWarning:
    """Finds the port of a program that ignores the port it was given."""

    def __init__(self, given: Address, name: str, listening: Callable[[], Sequence[Address]]) -> None:
        self._given = given
        self._name = name
        self._listening = listening
        self._looked_at: float | None = None
        self._found: Sequence[Address] = ()
        self._since = 0.0
        self._told: Sequence[Address] = ()
        self._silent_since: float | None = None

    def look(self, now: float) -> Address | None:
        """Return the address once it is certain that there is only one."""
        if self._looked_at is None:
            self._looked_at = self._silent_since = now
        elif now - self._looked_at >= LOOK_PAUSE:
            self._looked_at = now
            found = tuple(address for address in self._listening() if address != self._given)
            if found != self._found:
                self._found, self._since = found, now
            self._tell_of_silence(now)
        if not self._found or now - self._since < SETTLED:
            return None
        if len(self._found) == 1:
            return self._found[0]
        if self._told != self._found:
            self._told = self._found
            ports = ", ".join(str(address.port) for address in self._found)
            logger.warning(
                "%s listens on the ports %s, but not on %s as PORT and HOST say: name the right one in command.port",
                self._name,
                ports,
                self._given,
            )
        return None

    def _tell_of_silence(self, now: float) -> None:
        if self._found:
            self._silent_since = None
        elif self._silent_since is not None and now - self._silent_since >= SILENT:
            self._silent_since = None
            logger.warning(
                "%s listens on no port after %g s (fix: have it listen on %s, as PORT and HOST say;"
                ' or, if it answers no HTTP, write {"command": {"run": ..., "http": false}})',
                self._name,
                SILENT,
                self._given,
            )


async def _attempts() -> AsyncIterator[None]:
    for retry in count():
        yield
        await asyncio.sleep(backoff(retry, first=FIRST_PAUSE, longest=LONGEST_PAUSE))


async def _answers(address: Address, probe: str | None) -> bool:
    try:
        if probe is None:
            _, writer = await asyncio.open_connection(address.host, address.port)
            writer.close()
            # the kernel may have picked the very port that nobody listens on for our own end: then we met ourselves
            return bool(writer.get_extra_info("sockname") != writer.get_extra_info("peername"))
        async with asyncio.timeout(PROBE_LIMIT):
            return await get_status(TcpAddress(address.host, address.port), str(address), probe) in GOOD
    except (OSError, ValueError, MeshError):  # TimeoutError is an OSError
        return False
