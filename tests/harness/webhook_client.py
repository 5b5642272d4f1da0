"""An HTTP client for webhooks whose calls never leave the test."""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Protocol

from pywatt.errors import MeshError
from pywatt.http.client.call import Outcome, Response
from pywatt.http.headers import Headers


class Answer(Protocol):
    """The answer that a test gives."""

    @property
    def status(self) -> int: ...
    @property
    def headers(self) -> Headers: ...
    @property
    def body(self) -> bytes: ...


def headers_of(lines: bytes) -> dict[bytes, bytes]:
    """Return the header fields in lines of a request. Raises ValueError for a duplicate."""
    fields: dict[bytes, bytes] = {}
    for line in lines.split(b"\r\n")[:-1]:
        name, _, value = line.partition(b": ")
        if name in fields:
            raise ValueError(f"a header is there twice: {lines!r}")
        fields[name] = value
    return fields


class WebhookClient(ABC):
    """Calls `answer` for every request, whether or not there is a task that waits for it."""

    connected = False
    """True if every call finds an idle connection and can begin without a task."""
    unmade = 0
    """The number of calls over idle connections that turn out to be lost."""

    @abstractmethod
    async def answer(self, method: str, url: str, headers: dict[bytes, bytes], body: bytes) -> Answer:
        """Return the answer to a request. Raises MeshError when there is none."""

    async def request(self, method: str, url: str, *, lines: bytes, body: bytes, timeout: float) -> Response:
        """Mirrors MeshClient's method."""
        found = await self.answer(method, url, headers_of(lines), body)
        return Response(found.status, tuple(found.headers), found.body)

    def begin(
        self, method: str, url: str, done: Callable[[Outcome], None], *, lines: bytes, body: bytes, timeout: float
    ) -> _Call | None:
        """Mirrors MeshClient's method."""
        if not self.connected:
            return None
        if self.unmade:
            self.unmade -= 1
            asyncio.get_running_loop().call_soon(done, None)
            return _Call(None)

        def ended(task: asyncio.Task[Response]) -> None:
            if not task.cancelled():
                error = task.exception()
                assert error is None or isinstance(error, MeshError)
                done(error or task.result())

        task = asyncio.create_task(self.request(method, url, lines=lines, body=body, timeout=timeout))
        task.add_done_callback(ended)
        return _Call(task)


class _Call:
    def __init__(self, task: asyncio.Task[Response] | None) -> None:
        self._task = task

    def end(self) -> None:
        """Cancel the call."""
        if self._task is not None:
            self._task.cancel()
