"""The connections to one address, and the calls in flight on them."""

from __future__ import annotations

import asyncio
import errno
import ssl
from collections.abc import Callable

from pywatt.errors import ConnectFailed, ServiceUnavailable
from pywatt.http.client.address import Address
from pywatt.http.client.connection import IDLE, ClientConnection
from pywatt.http.client.dial import Admit, dial
from pywatt.http.client.limits import ClientLimits

IDLE_MARGIN = 1.0
"""Seconds before the end of a server's idle timeout from which a connection is not used any more."""
SHORTEST_IDLE = 1.0
"""Seconds for which a connection was idle when the server closed it, from which on that tells of an idle timeout."""


class _Trial:
    """An attempt to connect, whose outcome others wait for."""

    __slots__ = ("error", "over")

    def __init__(self) -> None:
        self.error: OSError | None = None
        self.over = asyncio.Event()


class Pool:
    """Opens connections to one address and keeps them for the next call. Owns them all."""

    def __init__(
        self,
        name: str,
        address: Address,
        *,
        limits: ClientLimits,
        clock: Callable[[], float],
        tls: ssl.SSLContext | None,
        admit: Admit | None = None,
    ) -> None:
        """`name`: the server, for messages. `admit` is asked about every address that a host's name leads to."""
        self.name = name
        self.in_flight = 0
        """Calls that hold a connection or are opening one."""
        self.retired = False
        self.retired_at = 0.0
        self.drained = asyncio.Event()
        """Set once the pool is retired and no call is in flight."""
        self.response_head_limit = limits.response_head
        self._address = address
        self._limits = limits
        self._clock = clock
        self._tls = tls
        self._admit = admit
        self._idle: list[ClientConnection] = []
        self._idle_limit = limits.idle
        self._server_limits_idle = False
        self._open: set[ClientConnection] = set()
        self._emptied = asyncio.Event()
        self._refused = False
        """True when the last attempt to connect failed."""
        self._trial: _Trial | None = None

    @property
    def unused(self) -> bool:
        """True when no connection is open and no call in flight."""
        return not self.in_flight and not self._open

    def take(self) -> ClientConnection | None:
        """Return an idle connection, the one used last, and count a call in flight; None when there is none."""
        while self._idle:
            connection = self._idle.pop()
            if self._server_limits_idle and self._clock() - connection.idle_since >= self._idle_limit:
                connection.close()
            elif connection.usable:
                self.in_flight += 1
                return connection
        return None

    async def connect(self) -> ClientConnection:
        """Open a connection and count a call in flight. Raises ConnectFailed, ServiceUnavailable."""
        self.in_flight += 1
        try:
            async with asyncio.timeout(self._limits.connect):
                connection = await self._try()
        except BaseException as error:
            self.in_flight -= 1
            if self.retired and not self.in_flight:
                self.drained.set()
            if isinstance(error, TimeoutError):
                raise ConnectFailed(f"cannot connect to {self.name} within {self._limits.connect:g} s") from error
            if isinstance(error, OSError) and error.errno in (errno.EMFILE, errno.ENFILE):
                # Not the server's fault: another worker would fare no better, and waiting calls keep their clients.
                raise ServiceUnavailable(
                    f"cannot connect to {self.name}: too many open files", hint="raise the limit (ulimit -n)"
                ) from error
            if isinstance(error, OSError):
                raise ConnectFailed(f"cannot connect to {self.name}: {_words(error)}") from error
            raise
        if connection.usable:  # else it was lost already: whoever uses it will be told
            self._open.add(connection)
        return connection

    def limit_idle(self, seconds: float) -> None:
        """Use no connection that was idle for nearly so long: the server closes it, perhaps as a request arrives."""
        limit = max(seconds - IDLE_MARGIN, seconds / 2)
        if limit < self._idle_limit:
            self._idle_limit, self._server_limits_idle = limit, True

    def exchange_ended(self, connection: ClientConnection) -> None:
        """Count the call out; keep the connection for the next one if it can be used."""
        self.in_flight -= 1
        if self.retired:
            if connection.state is IDLE:
                connection.close()
            if not self.in_flight:
                self.drained.set()
        elif connection.state is IDLE:
            connection.idle_since = self._clock()
            self._idle.append(connection)

    def closed(self, connection: ClientConnection) -> None:
        """Forget a connection that is gone."""
        self._open.discard(connection)
        if self.retired and not self._open:
            self._emptied.set()
        if connection in self._idle:
            self._idle.remove(connection)
            idle = self._clock() - connection.idle_since
            if idle >= SHORTEST_IDLE:
                self.limit_idle(idle)

    def retire(self) -> None:
        """Close idle connections; the others close when their call ends."""
        if not self.retired:
            self.retired = True
            self.retired_at = self._clock()
        self._close_idle(lambda _: True)
        if not self.in_flight:
            self.drained.set()

    def close_stale(self) -> None:
        """Close connections that were idle for too long."""
        oldest = self._clock() - self._idle_limit
        self._close_idle(lambda connection: connection.idle_since <= oldest)

    async def close(self) -> None:
        """Break everything off, calls in flight included; return when all is closed."""
        self.retire()
        if self._open:
            for connection in list(self._open):
                connection.reset()
            await self._emptied.wait()

    def _close_idle(self, doomed: Callable[[ClientConnection], bool]) -> None:
        for connection in [each for each in self._idle if doomed(each)]:
            self._idle.remove(connection)
            connection.close()

    async def _try(self) -> ClientConnection:
        """Connect. To a server that refused it last time, one at a time; all that wait share a failure."""
        while self._refused and (trial := self._trial) is not None:
            await trial.over.wait()
            if trial.error is not None:
                raise ConnectFailed(f"cannot connect to {self.name}: {_words(trial.error)}") from trial.error
        self._trial = trial = _Trial()
        try:
            connection = await dial(self, self._address, tls=self._tls, admit=self._admit)
        except OSError as error:
            self._refused = True
            trial.error = error
            raise
        finally:
            trial.over.set()
            if self._trial is trial:
                self._trial = None
        self._refused = False
        return connection


def _words(error: OSError) -> str:
    return error.strerror or str(error)
