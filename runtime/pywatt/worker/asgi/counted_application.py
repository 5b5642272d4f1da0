"""An ASGI application whose requests are counted, for servers whose own cycles cannot count.

Each request is counted before the last part of its response is sent, so that a client never has an answer that a worker
which is killed in that moment has not counted.
"""

from __future__ import annotations

from collections.abc import Awaitable

from pywatt.metrics.status_classes import ABORTED
from pywatt.worker.asgi.lifespan import Application, Message, Receive, Scope, Send
from pywatt.worker.asgi.request_metrics import RequestMetrics

FAILED = 5
"""The class of the status with which servers answer for an application that raises."""


def counted_application(app: Application, metrics: RequestMetrics) -> Application:
    """Return the application, which counts from now on."""

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        method, begun = scope["method"], metrics.clock()
        status, counted = 0, False

        def counting_send(message: Message) -> Awaitable[None]:
            nonlocal status, counted
            if message["type"] == "http.response.start":
                status = message.get("status", 0)
            elif not (counted or message.get("more_body")) and message["type"] == "http.response.body":
                counted = True
                metrics.count(method, status // 100, begun)
            return send(message)

        try:
            await app(scope, receive, counting_send)
        except BaseException:
            if not counted:
                counted = True
                metrics.count(method, ABORTED if status else FAILED, begun)
            raise
        finally:
            if not counted:
                metrics.count(method, ABORTED, begun)

    return asgi
