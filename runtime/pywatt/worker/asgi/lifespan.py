"""The lifespan protocol of ASGI: an application's own start and end, with the errors that it raises in them."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

from pywatt.errors import StartError
from pywatt.logs.pywatt_logger import pywatt_logger

logger = pywatt_logger("pywatt.worker")

Message = MutableMapping[str, Any]
Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Application = Callable[[Scope, Receive, Send], Awaitable[None]]


class Lifespan:
    """The lifespan of one application; `run` belongs in a task of its own beside the one that awaits the other two."""

    def __init__(self, app: Application) -> None:
        self.state: dict[str, Any] = {}
        """The state that the application shares with its requests."""
        self._app = app
        self._events: asyncio.Queue[Message] = asyncio.Queue()
        self._started: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._stopped: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._took_startup = False
        self._is_ending = False

    async def run(self) -> None:
        """Call the application. Raises an error that ends its lifespan while it serves."""
        scope = {"type": "lifespan", "asgi": {"version": "3.0", "spec_version": "2.0"}, "state": self.state}
        failure: BaseException | None = None
        try:
            await self._app(scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - what it means depends on how far the application got
            failure = error
        if not self._started.done():
            self._started.set_result(None)
            if failure is not None:
                self._go_on_without(failure)
        elif self._started.exception() is None and not self._is_ending:
            # Frameworks catch everything, and call what ended their lifespan too early a failed shutdown.
            failure = (self._stopped.exception() if self._stopped.done() else None) or failure
            if failure is not None:
                raise failure
        if not self._stopped.done():
            if failure is not None and self._is_ending:
                self._stopped.set_exception(failure)
            else:
                self._stopped.set_result(None)

    def begin(self) -> asyncio.Future[None]:
        """Start the application; return a future that is done when it has, or has the error that made it fail."""
        self._events.put_nowait({"type": "lifespan.startup"})
        # Whoever stops it meanwhile does not ask why it failed.
        self._started.add_done_callback(lambda started: started.cancelled() or started.exception())
        return self._started

    async def shutdown(self) -> None:
        """Shut the application down. Raises the error that made it fail."""
        self._is_ending = True
        self._events.put_nowait({"type": "lifespan.shutdown"})
        await self._stopped

    def _go_on_without(self, failure: BaseException) -> None:
        if self._took_startup:
            logger.warning("the app raised on lifespan.startup; going on without it, as ASGI says", exc_info=failure)
        else:
            logger.debug("the app has no lifespan: %r", failure)

    async def _receive(self) -> Message:
        self._took_startup = True
        return await self._events.get()

    async def _send(self, message: Message) -> None:
        phase = {"startup": self._started, "shutdown": self._stopped}.get(message["type"].split(".")[1])
        match message["type"]:
            case "lifespan.startup.complete" | "lifespan.shutdown.complete" if phase and not phase.done():
                phase.set_result(None)
            case ("lifespan.startup.failed" | "lifespan.shutdown.failed") as event if phase and not phase.done():
                # Frameworks send this while they handle the exception, and some tell nothing else of it.
                cause = sys.exc_info()[1]
                text = message.get("message") or "no reason given"
                phase.set_exception(
                    cause if isinstance(cause, Exception) else StartError(f"the app sent {event}: {text}")
                )
            case unexpected:
                raise RuntimeError(f"unexpected ASGI message {unexpected!r} in the lifespan")
