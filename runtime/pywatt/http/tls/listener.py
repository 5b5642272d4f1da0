"""Accepts connections on a listening socket and leads each through its TLS handshake, before it becomes a client.

A connection counts from its first moment: it is bounded in number and time, and a stop waits for it. Its first byte
is looked at without taking it. Plain HTTP, which has none that begins a handshake, gets an answer in plain HTTP.
"""

from __future__ import annotations

import asyncio
import errno
import logging
import socket
from collections.abc import Callable
from contextlib import suppress
from typing import Any, Protocol, cast

from pywatt.http.limits import ConnectionLimits
from pywatt.http.tls.server_tls import HTTP2, ServerTls

Accept = Callable[[], asyncio.Protocol]

HANDSHAKE = 0x16
"""The type of the first record of TLS."""
AT_ONCE = 64
"""Connections accepted in one turn of the event loop."""
SHUTDOWN = ConnectionLimits().write
"""Seconds that a closed connection may take to send what is left, and its end."""
PAUSE = 1.0
"""Seconds without accepting, after the system had no file or memory left for a connection."""
EVICTABLE = 1.0
"""Seconds after which an unfinished handshake makes room for a new connection, when there are too many."""
EXHAUSTED = (errno.EMFILE, errno.ENFILE, errno.ENOBUFS, errno.ENOMEM)

logger = logging.getLogger("pywatt.http")


class Carriers(Protocol):
    """The connections of a server that are not its clients, or not yet: see `OpenConnections`."""

    @property
    def now(self) -> float: ...

    def add(self, connection: Any) -> None: ...

    def discard(self, connection: object) -> None: ...


class TlsListener:
    """Serves one listening socket."""

    def __init__(
        self,
        sock: socket.socket,
        accept: Accept,
        tls: ServerTls,
        carriers: Carriers,
        *,
        to_plain: bytes,
        accept_http2: Accept | None = None,
    ) -> None:
        """`sock`: owned from now on. `accept`: makes the protocol of a connection whose handshake is done.

        `to_plain`: the response to plain HTTP. `accept_http2`: for a connection whose handshake has agreed on HTTP/2.
        """
        self.tls = tls
        self.accept = accept
        self.accept_http2 = accept_http2
        self.carriers = carriers
        self.to_plain = to_plain
        self.loop = asyncio.get_running_loop()
        self._sock = sock
        self._resume: asyncio.TimerHandle | None = None
        sock.setblocking(False)
        self.loop.add_reader(sock, self._accept)
        tls.start()

    def close(self) -> None:
        """Accept no more; handshakes go on."""
        if self._sock.fileno() < 0:
            return
        self.tls.close()
        if self._resume is not None:
            self._resume.cancel()
        self.loop.remove_reader(self._sock)
        self._sock.close()

    def _accept(self) -> None:
        for _ in range(AT_ONCE):
            try:
                client, _address = self._sock.accept()
            except (BlockingIOError, InterruptedError, ConnectionAbortedError):
                return
            except OSError as error:
                if error.errno not in EXHAUSTED:
                    raise
                logger.error("no connection can be accepted: %s", error.strerror)
                self.loop.remove_reader(self._sock)
                self._resume = self.loop.call_later(PAUSE, self._go_on)
                return
            Handshake(client, self).begin()

    def _go_on(self) -> None:
        self._resume = None
        self.loop.add_reader(self._sock, self._accept)


class Handshake:
    """A connection that is no client yet."""

    def __init__(self, sock: socket.socket, listener: TlsListener) -> None:
        self._sock = sock
        self._listener = listener
        self._task: asyncio.Task[None] | None = None
        self._waits = False
        """True while nothing was received."""
        self.since = listener.carriers.now

    @property
    def idle(self) -> bool:
        """True when it makes room for a new connection, if that is needed."""
        return self._listener.carriers.now - self.since > EVICTABLE

    def begin(self) -> None:
        """Wait for the first byte."""
        self._sock.setblocking(False)
        with suppress(OSError):
            self._sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self._waits = True
        self._listener.carriers.add(self)
        if self._waits:  # there was room for it
            self.since = self._listener.carriers.now
            self._listener.loop.add_reader(self._sock, self._received)

    def refuse_for_want_of_room(self) -> None:
        """Close: nothing can be said before the handshake."""
        self._waits = False
        self._sock.close()
        self._listener.loop.call_soon(self._listener.carriers.discard, self)

    def look_at_time(self, now: float) -> None:
        """Enforce the limit of time."""
        if now - self.since > self._listener.tls.options.handshake_timeout:
            self.abort()

    def retire(self) -> None:
        """Go on: a handshake that has begun is finished."""

    def finish(self) -> None:
        """Go on, likewise."""

    def close(self) -> None:
        """Break it off."""
        self.abort()

    def abort(self) -> None:
        """Break it off."""
        if self._task is not None:
            self._task.cancel()
        elif self._waits:
            self._end_wait()
            self._sock.close()
            self._listener.carriers.discard(self)

    def _end_wait(self) -> None:
        self._waits = False
        self._listener.loop.remove_reader(self._sock)

    def _received(self) -> None:
        try:
            first = self._sock.recv(1, socket.MSG_PEEK)
        except (BlockingIOError, InterruptedError):
            return
        except OSError:
            first = b""
        if first and first[0] == HANDSHAKE:
            self._end_wait()
            self._task = self._listener.loop.create_task(self._shake_hands())
            return
        if first.isalpha():  # a method
            with suppress(OSError):
                self._sock.recv(64 * 1024)  # or closing would take the answer back
                self._sock.send(self._listener.to_plain)
                self._sock.shutdown(socket.SHUT_WR)
        self.abort()

    async def _shake_hands(self) -> None:
        listener = self._listener
        try:
            await listener.loop.connect_accepted_socket(
                lambda: _Door(self, listener),
                self._sock,
                ssl=listener.tls.context,
                ssl_handshake_timeout=listener.tls.options.handshake_timeout,
                ssl_shutdown_timeout=SHUTDOWN,
            )
        except OSError as error:  # ssl.SSLError among them
            logger.debug("a TLS handshake failed: %s", error)
        finally:
            listener.carriers.discard(self)  # the transport has closed the socket, or serves a client by now

    def done(self) -> None:
        """Leave: the connection is a client's from now on."""
        self._listener.carriers.discard(self)


class _Door(asyncio.Protocol):
    """Is told of the end of the handshake, and hands the connection to the protocol that serves it."""

    def __init__(self, handshake: Handshake, listener: TlsListener) -> None:
        self._handshake = handshake
        self._listener = listener

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        made = cast(asyncio.Transport, transport)  # uvloop's is none, but does all that one does
        self._handshake.done()
        listener = self._listener
        accept = listener.accept
        if listener.accept_http2 is not None:
            if made.get_extra_info("ssl_object").selected_alpn_protocol() == HTTP2:
                accept = listener.accept_http2
            elif not listener.tls.options.allow_http1:
                made.close()
                return
        protocol = accept()
        made.set_protocol(protocol)
        protocol.connection_made(made)
