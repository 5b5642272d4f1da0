"""One of several attempts to have a request answered."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Protocol, cast

from pywatt.errors import MeshError
from pywatt.http.client.connection import ClientConnection, Receiver
from pywatt.http.response_reader import ResponseHead


class Retrying(Protocol):
    """An exchange that may reject a response, and make another attempt."""

    def accepts(self, head: ResponseHead, ended: bool) -> bool:
        """Tell whether the response is passed on."""
        ...


class Passing:
    """Passes what it receives on; the base of those that keep something to themselves."""

    __slots__ = ("_receiver",)

    def __init__(self, receiver: Receiver) -> None:
        self._receiver = receiver

    def on_informational(self, head: ResponseHead) -> None:
        """Pass it on."""
        self._receiver.on_informational(head)

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass it on."""
        self._receiver.on_response(head, body, ended)

    def on_body(self, body: bytes, ended: bool) -> None:
        """Pass it on."""
        self._receiver.on_body(body, ended)

    def on_raw(self, data: bytes) -> None:
        """Pass it on."""
        self._receiver.on_raw(data)

    def on_failure(self, error: MeshError, retriable: bool) -> None:
        """Pass it on."""
        self._receiver.on_failure(error, retriable)

    def on_writable(self, writable: bool) -> None:
        """Pass it on."""
        self._receiver.on_writable(writable)


class Attempt(Passing):
    """Receives the response of one attempt, before anything counts, logs or changes it."""

    __slots__ = ("_exchange",)

    def __init__(self, exchange: Retrying, receiver: Receiver) -> None:
        super().__init__(receiver)
        self._exchange = exchange

    def on_response(self, head: ResponseHead, body: bytes, ended: bool) -> None:
        """Pass it on, unless the exchange makes another attempt."""
        if self._exchange.accepts(head, ended):
            self._receiver.on_response(head, body, ended)


class WrappingConnection:
    """Stands for a connection while a request is sent, and puts something between its response and the receiver."""

    __slots__ = ("_connection", "_wrap")

    def __init__(self, connection: ClientConnection, wrap: Callable[[Receiver], Receiver]) -> None:
        self._connection = connection
        self._wrap = wrap

    @property
    def as_connection(self) -> ClientConnection:
        """Itself, in the place of the connection: only `send` and `server` are used of that."""
        return cast(ClientConnection, self)

    @property
    def server(self) -> str:
        """The server's name."""
        return self._connection.server

    def send(
        self, receiver: Receiver, data: bytes, *, ended: bool, to_head: bool = False, upgradable: bool = False
    ) -> None:
        """Start the exchange."""
        self._connection.send(self._wrap(receiver), data, ended=ended, to_head=to_head, upgradable=upgradable)


class DelayedDial:
    """Opens a connection after a pause; cancelled like the task that opens one."""

    __slots__ = ("_dial", "_dialing", "_timer")

    def __init__(self, seconds: float, dial: Callable[[], asyncio.Task[None]]) -> None:
        self._dial = dial
        self._dialing: asyncio.Task[None] | None = None
        self._timer = asyncio.get_running_loop().call_later(seconds, self._begin)

    @property
    def task(self) -> asyncio.Task[None]:
        """Itself, in the place of the task: only `cancel` is used of that."""
        return cast("asyncio.Task[None]", self)

    def cancel(self) -> None:
        """Give up."""
        self._timer.cancel()
        if self._dialing is not None:
            self._dialing.cancel()

    def _begin(self) -> None:
        self._dialing = self._dial()
