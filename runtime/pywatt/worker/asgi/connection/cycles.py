"""Answers to requests that are not plain, HTTP/1.0 among them."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.http.httptools_impl import RequestResponseCycle


class Cycle(RequestResponseCycle):
    """Serves one request."""

    async def send(self, message: Any) -> None:
        """Write a part of the answer."""
        if self.disconnected:
            await asyncio.sleep(0)  # an application that goes on sending must not keep the event loop to itself
            return
        await super().send(message)
        if self.transport.is_closing():
            await asyncio.sleep(0)  # else it may never be told that the connection is lost


class OldClientCycle(Cycle):
    """Serves one request of HTTP/1.0, which knows no chunks: a body of unknown length ends with the connection."""

    _until_close = False

    async def send(self, message: Any) -> None:
        """Write a part of the answer."""
        kind = message["type"]
        if kind == "http.response.start" and not self.response_started:
            headers = [header for header in message.get("headers", ()) if header[0].lower() != b"transfer-encoding"]
            message = {**message, "headers": headers}
            if not any(name.lower() == b"content-length" for name, _ in headers):
                self._until_close = True
                self.chunked_encoding = False
        elif kind == "http.response.body" and self._until_close:
            self.expected_content_length = len(message.get("body", b""))
        await super().send(message)
