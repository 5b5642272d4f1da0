from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pywatt.metrics.derived import with_derived
from pywatt.metrics.families import BY_BASE, FAMILIES
from pywatt.metrics.page import Page
from pywatt.metrics.readings import read_folder
from pywatt.metrics.recorder import Recorder
from pywatt.worker.asgi.counted_application import counted_application
from pywatt.worker.asgi.lifespan import Application, Message, Receive, Scope, Send
from pywatt.worker.asgi.request_metrics import RequestMetrics

pytestmark = pytest.mark.anyio
START: Message = {"type": "http.response.start", "status": 201, "headers": []}


class Clock:
    now = 0.0

    def __call__(self) -> float:
        self.now += 1
        return self.now


async def receive() -> Message:
    return {"type": "http.disconnect"}


async def call(app: Application, folder: Path, method: str = "GET", kind: str = "http") -> dict[str, float]:
    """Call the application once; return the counts at the end, and those that the last message found."""
    recorder = Recorder(folder)
    seen: dict[str, float] = {}

    async def send(message: Message) -> None:
        if not message.get("more_body"):
            seen.update({f"at {message['type']}: {name}": value for name, value in counts(folder).items()})

    scope: dict[str, Any] = {"type": kind, "method": method, "path": "/"}
    try:
        await counted_application(app, RequestMetrics(recorder, Clock()))(scope, receive, send)
    finally:
        seen.update(counts(folder))
    return seen


def counts(folder: Path) -> dict[str, float]:
    page = Page(BY_BASE)
    page.add_readings(with_derived(read_folder(folder, "api", "0", BY_BASE, lives=lambda _: True), FAMILIES))
    found = {}
    for family in page.families():
        for sample in family.samples:
            labels = [value for name, value in sample.labels.items() if name not in ("service", "le")]
            if not sample.name.endswith("_bucket") and sample.value:
                found[" ".join([sample.name.removeprefix("pywatt_http_"), *labels])] = sample.value
    return found


async def test_a_request_is_counted_before_the_last_part_of_its_response(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await send({"type": "http.response.body", "body": b"a", "more_body": True})
        await send({"type": "http.response.body", "body": b"b"})

    done = {"requests_total GET 2xx": 1.0, "request_duration_seconds_count": 1.0, "request_duration_seconds_sum": 1.0}
    seen = await call(app, tmp_path)
    assert {name: seen[name] for name in done} == done
    assert {name: seen[f"at http.response.body: {name}"] for name in done} == done


async def test_an_application_that_raises_counts_as_5xx(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        raise LookupError

    with pytest.raises(LookupError):
        await call(app, tmp_path)
    assert counts(tmp_path)["requests_total GET 5xx"] == 1


async def test_a_response_without_an_end_is_aborted(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)

    assert (await call(app, tmp_path))["requests_total GET aborted"] == 1


async def test_invented_methods_and_statuses_make_no_series(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "status": 999})
        await send({"type": "http.response.body"})

    assert (await call(app, tmp_path, "BREW"))["requests_total other other"] == 1


async def test_websockets_are_passed_on(tmp_path: Path) -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        assert scope["type"] == "websocket"

    assert await call(app, tmp_path, kind="websocket") == {}
