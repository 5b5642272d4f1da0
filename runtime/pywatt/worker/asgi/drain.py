"""Drains a server that is asked to stop, so that no client loses anything.

Nothing is accepted any more, and every answer says `Connection: close` from now on. What happens to those who are there
depends on whether another worker serves already (`StopRequest.linger`):

    linger       unused connections stay for their clients' next request, WebSockets and event streams go on,
                 until the time is nearly up; then all goes on as below
    no linger    WebSockets are closed at once, unused connections after a short grace; requests are finished

When the time is nearly up, event streams end as if the application had ended them; the rest is cut off.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Protocol

from pywatt.service_type import StopRequest

IDLE_GRACE = 0.5
"""Seconds that unused connections stay open when there is no time to linger: for requests on their way."""
GOODBYE = 1.0
"""Seconds for clients to be told of the end of endless responses."""
GOODBYE_SHARE = 0.1
"""Largest share of the whole time for that."""


class Drainable(Protocol):
    """A server that lets go step by step. Every step can be taken more than once."""

    def refuse(self) -> None:
        """Accept no more connections; serve the open ones, and ask their clients to close with each response."""
        ...

    async def none_left(self) -> None:
        """Wait until no connection is open and nothing runs for one any more."""
        ...

    async def close_websockets(self) -> None:
        """Tell WebSockets that the service restarts (close code 1012)."""
        ...

    async def close_idle(self) -> None:
        """Close the connections that nothing is going on on, and those in use after their current answer."""
        ...

    async def end_events(self) -> None:
        """End streams of server-sent events as their end is written; their clients will come back."""
        ...

    async def cut_off(self) -> None:
        """End all that is left."""
        ...


class Stops(Protocol):
    """The source of stop requests; a ServiceContext is one."""

    async def stop_requested(self) -> StopRequest:
        """Wait until the worker is asked to end."""
        ...

    async def hurry_requested(self) -> StopRequest:
        """Wait until a worker that was asked to linger is asked to end without lingering."""
        ...


async def drain(server: Drainable, stops: Stops, *, share: float) -> None:
    """Wait for the request to stop, then let go within a share of the time that it gives."""
    request = await stops.stop_requested()
    server.refuse()
    for _ in range(2):  # what was accepted a moment ago becomes a connection in the next turns of the loop
        await asyncio.sleep(0)
    loop = asyncio.get_running_loop()
    deadline = loop.time() + request.timeout * share
    if request.linger:
        hurry = await _linger(server, stops, deadline - 2 * _goodbye(request, share))
        if hurry is not None:
            request = hurry
            deadline = loop.time() + request.timeout * share
    await _within(server.close_websockets(), deadline)
    events_end = deadline - _goodbye(request, share)
    await _within(server.none_left(), min(loop.time() + IDLE_GRACE, events_end))
    await server.close_idle()
    await _within(server.none_left(), events_end)
    await _within(server.end_events(), deadline)
    if not await _within(server.none_left(), deadline):
        await server.cut_off()


def _goodbye(request: StopRequest, share: float) -> float:
    return min(GOODBYE, request.timeout * share * GOODBYE_SHARE)


async def _within(step: Awaitable[None], deadline: float) -> bool:
    """Return whether a step came to its end in time."""
    try:
        async with asyncio.timeout_at(deadline):
            await step
    except TimeoutError:
        return False
    return True


async def _linger(server: Drainable, stops: Stops, deadline: float) -> StopRequest | None:
    """Wait until nothing is left or the time is up; return the request to stop sooner when one comes before."""
    async with asyncio.TaskGroup() as tasks:
        ending = tasks.create_task(_within(server.none_left(), deadline))
        hurried = tasks.create_task(stops.hurry_requested())
        await asyncio.wait((ending, hurried), return_when=asyncio.FIRST_COMPLETED)
        ending.cancel()
        hurried.cancel()
    return hurried.result() if hurried.done() and not hurried.cancelled() else None
