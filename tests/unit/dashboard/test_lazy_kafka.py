"""The routes for Kafka are imported when they are asked for; if that fails, the rest of the dashboard goes on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pywatt_services.dashboard import application
from pywatt_services.dashboard.application import LazyKafka


def app_that_says(word: str) -> Any:
    async def app(scope: Mapping[str, Any], _receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 200, "headers": []})
        await send({"type": "http.response.body", "body": f"{word} {scope['path']}".encode()})

    return app


async def answered(app: Any, path: str) -> tuple[int, bytes]:
    sent: list[Any] = []

    async def send(message: Any) -> None:
        sent.append(message)

    await app({"type": "http", "path": path}, None, send)
    return sent[0]["status"], sent[1]["body"]


async def test_each_request_goes_to_its_application() -> None:
    made: list[Any] = []

    def make() -> Any:
        made.append(app_that_says("kafka"))
        return made[-1]

    serve = LazyKafka(app_that_says("main"), make).serve
    assert await answered(serve, "/api/v1/services") == (200, b"main /api/v1/services")
    assert made == []
    for _ in range(2):
        assert await answered(serve, "/api/v1/kafka/topics") == (200, b"kafka /api/v1/kafka/topics")
    assert len(made) == 1


async def test_a_client_that_cannot_be_imported_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(application, "KAFKA_ROUTES", "pywatt_services.no_such_module")
    serve = LazyKafka(app_that_says("main"), lambda: app_that_says("kafka")).serve
    assert await answered(serve, "/api/v1/kafka/topics") == (500, application.UNUSABLE)
    assert (await answered(serve, "/"))[0] == 200
