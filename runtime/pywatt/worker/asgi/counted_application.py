"""An ASGI application whose requests are counted, whichever server runs it.

Each request is counted before the last part of its response is sent, so that a client never has an answer that a worker
which is killed in that moment has not counted.
"""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

from pywatt.metrics import families
from pywatt.metrics.recorder import Recorder, Value
from pywatt.metrics.status_classes import ABORTED, OTHER, class_label, method_label
from pywatt.worker.asgi.lifespan import Application, Message, Receive, Scope, Send

FAILED = 5
"""The class of the status with which servers answer for an application that raises."""


def counted_application(
    app: Application, recorder: Recorder, clock: Callable[[], float] = time.perf_counter
) -> Application:
    """Return the application, which counts from now on."""
    in_flight = recorder.value(families.HTTP_IN_FLIGHT)
    observe = recorder.histogram(families.HTTP_SECONDS).observe
    answers: dict[tuple[str, int], Value] = {}

    def answer(method: str, status_class: int) -> Value:
        value = answers.get((method, status_class))
        if value is None:
            known = method_label(method.encode())
            value = recorder.value(families.HTTP_REQUESTS, known, class_label(status_class))
            if known != OTHER:
                answers[method, status_class] = value
        return value

    async def asgi(scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await app(scope, receive, send)
            return
        method, begun = scope["method"], clock()
        status, counted = 0, False
        in_flight.add()

        def count(status_class: int) -> None:
            nonlocal counted
            counted = True
            in_flight.add(-1)
            observe(clock() - begun)
            answer(method, status_class).add()

        def counting_send(message: Message) -> Awaitable[None]:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message.get("status", 0)
            elif not (counted or message.get("more_body")) and message["type"] == "http.response.body":
                count(status // 100)
            return send(message)

        try:
            await app(scope, receive, counting_send)
        except BaseException:
            if not counted:
                count(ABORTED if status else FAILED)
            raise
        finally:
            if not counted:
                count(ABORTED)

    return asgi
