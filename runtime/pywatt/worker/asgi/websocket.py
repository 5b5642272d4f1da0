"""The WebSockets of workers: uvicorn's, with our words for errors and for who is on the unix socket."""

from __future__ import annotations

import asyncio
from typing import Any

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol

from pywatt.logs.pywatt_logger import pywatt_logger
from pywatt.worker.asgi.forwarded import UNIX_CLIENT, UNIX_SERVER, is_inside


class WorkerWebSocket(WebSocketsSansIOProtocol):
    """Serves one WebSocket."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.logger = pywatt_logger("uvicorn.error")

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        super().connection_made(transport)
        if is_inside(transport):
            self.client, self.server = UNIX_CLIENT, UNIX_SERVER
