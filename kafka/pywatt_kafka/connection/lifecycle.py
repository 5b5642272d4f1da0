"""The lifetime of a client, and the refusal of calls outside of it."""

from __future__ import annotations

import asyncio
import os

from pywatt_kafka.errors import ClientClosed, KafkaError, WrongLoop


class Lifecycle:
    """Knows the event loop in which a client may be used: none before it is connected and after it is closed.

    A client compares `loop` with the running one in each call, and raises `refusal()` where they differ.
    """

    __slots__ = ("_client", "_is_over", "_owner", "_pid", "loop")

    def __init__(self, client: str) -> None:
        """`client`: its kind and name for error messages, such as `producer orders`."""
        self._client = client
        self._owner: asyncio.AbstractEventLoop | None = None
        self._pid = 0
        self._is_over = False
        self.loop: asyncio.AbstractEventLoop | None = None
        """The event loop in which the client may be used now."""

    def begin(self) -> bool:
        """Open the client for calls in the running loop; return False if it is open. Raises ClientClosed, WrongLoop."""
        if self._is_over:
            raise self.refusal()
        if self.loop is not None:
            self.check()
            return False
        self.loop = self._owner = asyncio.get_running_loop()
        self._pid = os.getpid()
        return True

    def end(self) -> bool:
        """Refuse all further calls; return False if the client is not open. Raises WrongLoop."""
        if self._owner is not None and _running_loop() is not self._owner:
            raise self.refusal()
        was_open = self.loop is not None
        self.loop = None
        self._is_over = True
        return was_open

    def check(self) -> None:
        """Raise ClientClosed or WrongLoop unless the client may be used here."""
        if self.loop is None or _running_loop() is not self.loop:
            raise self.refusal()

    def refusal(self) -> KafkaError:
        """Return the error for a call that is not allowed here and now."""
        if self._owner is not None and os.getpid() != self._pid:
            return WrongLoop(
                f"the {self._client} was connected in process {self._pid} and is used in its child {os.getpid()}",
                hint="connect one in each process, after the fork",
            )
        if self._owner is not None and _running_loop() is not self._owner:
            return WrongLoop(
                f"the {self._client} is used outside the event loop that it was connected in",
                hint="use it in the thread and loop that it was connected in, or connect another one here",
            )
        if self._is_over:
            return ClientClosed(f"the {self._client} is closed", hint="make another one: each is connected once")
        return ClientClosed(
            f"the {self._client} is not connected", hint="enter it with `async with`, or call `await connect()` first"
        )


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
