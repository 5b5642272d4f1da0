"""Serves a WSGI application as an ASGI application.

One request runs in one thread and one context, from the call of the application to the `close()` of its result.
Sending waits for the client, reading receives the body piece by piece. A body of unknown length is received in
whole first: many frameworks, Django among them, read none without a Content-Length.
"""

from __future__ import annotations

import asyncio
import contextvars
import io
from typing import Any

from pywatt.http.server.errors import error_body
from pywatt.http.server.writer import JSON
from pywatt.worker.asgi.lifespan import Receive, Scope, Send
from pywatt.worker.wsgi.environ import environ_of
from pywatt.worker.wsgi.request_body import SPOOLED_SIZE, BodyTooLarge, ClientLeft, RequestBody
from pywatt.worker.wsgi.response import WsgiApplication, WsgiResponse
from pywatt.worker.wsgi.threads import Threads

BUFFER_SIZE = 16 * 1024
"""Bytes of a body that are taken at once when less is read."""


class AsgiAdapter:
    """An ASGI application that calls a WSGI application in threads."""

    def __init__(self, app: WsgiApplication, *, threads: int) -> None:
        self._app = app
        self._threads = Threads(threads)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request, or the lifespan."""
        match scope["type"]:
            case "http":
                await self._serve(scope, receive, send)
            case "lifespan":
                await self._live(receive, send)
            case _:
                await receive()
                await send({"type": "websocket.close"})  # before it was accepted: 403

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        await send({"type": "lifespan.startup.complete"})
        try:
            await receive()
        finally:
            self._threads.close()
        await send({"type": "lifespan.shutdown.complete"})

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = dict(scope["headers"])
        body = RequestBody(receive, wait_until_wanted=b"expect" in headers)
        environ: dict[str, Any]
        if b"content-length" in headers:
            environ = environ_of(scope, io.BufferedReader(body, BUFFER_SIZE))
        elif b"transfer-encoding" in headers or scope["http_version"].startswith("2"):
            try:
                file = await body.spool()
            except ClientLeft:
                return
            except BodyTooLarge:
                await _refuse(send)
                return
            size = file.seek(0, io.SEEK_END)
            file.seek(0)
            environ = environ_of(scope, file, size)
            body.want()
        else:
            environ = environ_of(scope, io.BytesIO())
        await self._answer(environ, body, send)

    async def _answer(self, environ: dict[str, Any], body: RequestBody, send: Send) -> None:
        failure: Exception | None = None
        async with asyncio.TaskGroup() as tasks:
            pump = tasks.create_task(body.pump())
            try:
                if await self._threads.acquire(body.left):
                    await self._run(environ, body, send)
                else:
                    environ["wsgi.input"].close()
            except Exception as error:  # noqa: BLE001 - raised again where no group wraps it
                failure = error
            finally:
                pump.cancel()
        if failure is not None:
            raise failure

    async def _run(self, environ: dict[str, Any], body: RequestBody, send: Send) -> None:
        response = WsgiResponse(self._app, environ, body, send)
        context = contextvars.copy_context()
        async with self._threads.running(lambda: context.run(response.run)) as job:
            await asyncio.wait((job, response.last, body.left), return_when=asyncio.FIRST_COMPLETED)
            if response.last.done():
                for message in response.last.result():
                    await send(message)
                await asyncio.wait((job,))
            if job.done():
                job.result()


async def _refuse(send: Send) -> None:
    body = error_body(413, f"a body without Content-Length may have {SPOOLED_SIZE} bytes")
    headers = [JSON, (b"content-length", b"%d" % len(body)), (b"connection", b"close")]
    await send({"type": "http.response.start", "status": 413, "headers": headers})
    await send({"type": "http.response.body", "body": body})
