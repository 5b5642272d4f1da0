"""The HTTP server of kafka-hooks in a separate process; its handler answers at once. Prints its port."""

from __future__ import annotations

import asyncio
import socket

import uvloop

from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import document
from pywatt_services.kafka_hooks.http.server import HooksServer


class _Echo:
    def handle(self, request: Request, exchange: HooksExchange) -> None:
        exchange.respond(document({"path": request.path, "size": len(request.body), "text": "x" * 100}))


async def _main() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.setblocking(False)
        server = HooksServer(_Echo(), body_limit=1024 * 1024)
        async with server.on((), public=sock, backlog=128):
            print(sock.getsockname()[1], flush=True)
            await asyncio.Event().wait()


if __name__ == "__main__":
    uvloop.run(_main())
