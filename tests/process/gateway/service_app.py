"""A test service: an ASGI app on uvicorn, on the unix socket in its argument."""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import uvicorn

disconnected = asyncio.Event()


async def respond(send: Any, status: int, body: bytes, *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", b"%d" % len(body))
    await send({"type": "http.response.start", "status": status, "headers": [*headers, length]})
    await send({"type": "http.response.body", "body": body})


async def stream(receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
    await send({"type": "http.response.body", "body": b"data: first\n\n", "more_body": True})
    while (await receive())["type"] != "http.disconnect":
        pass
    disconnected.set()


async def app(scope: Any, receive: Any, send: Any) -> None:
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        while (message := await receive())["type"] == "websocket.receive":
            await send({"type": "websocket.send", "text": message["text"].upper()})
        return
    match scope["path"]:
        case "/stream":
            await stream(receive, send)
        case "/silence":
            await asyncio.Event().wait()
        case "/disconnected":
            await disconnected.wait()
            await respond(send, 200, b"")
        case "/large":
            await send({"type": "http.response.start", "status": 200, "headers": []})
            for _ in range(100):
                await send({"type": "http.response.body", "body": b"x" * 100_000, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        case "/nothing":
            await respond(send, 404, b"no")
        case path:
            size = 0
            more = True
            while more:
                message = await receive()
                size += len(message.get("body", b""))
                more = message.get("more_body", False)
            headers = {name.decode(): value.decode() for name, value in scope["headers"]}
            target = (scope["raw_path"] + b"?" + scope["query_string"]).decode()
            document = {"method": scope["method"], "path": path, "target": target, "headers": headers, "size": size}
            await respond(send, 200, json.dumps(document).encode(), (b"content-type", b"application/json"))


class Announcing(uvicorn.Server):
    async def startup(self, sockets: Any = None) -> None:
        await super().startup(sockets)
        print("ready", flush=True)


if __name__ == "__main__":
    config = uvicorn.Config(app, uds=sys.argv[1], log_level="error", lifespan="off", timeout_keep_alive=75)
    asyncio.run(Announcing(config).serve())
