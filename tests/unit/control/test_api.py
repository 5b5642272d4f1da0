from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pywatt.channel.messages import Answer
from pywatt.control.api import control_application
from pywatt.control.error_json import to_json
from pywatt.errors import ConfigError, NotKnown, Problem, ServiceFailed

pytestmark = pytest.mark.anyio


class Supervisor:
    """Records its requests and gives the configured answers."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, Mapping[str, Any]]] = []
        self.answer = Answer(0, {"done": True})

    async def __call__(self, command: str, arguments: Mapping[str, Any]) -> Answer:
        self.asked.append((command, arguments))
        return self.answer


@pytest.mark.parametrize(
    ("method", "path", "body", "command", "arguments"),
    [
        ("GET", "/metadata", None, "metadata", {}),
        ("GET", "/services", None, "services", {"usage": True}),
        ("GET", "/services?usage=false", None, "services", {"usage": False}),
        ("GET", "/config", None, "config", {"secrets": False, "sources": False}),
        ("GET", "/config?secrets=true", None, "config", {"secrets": True, "sources": False}),
        ("GET", "/config?sources=true", None, "config", {"secrets": False, "sources": True}),
        ("GET", "/services/api/env", None, "env", {"service": "api", "secrets": False}),
        ("POST", "/services/api/stack", None, "stack", {"service": "api"}),
        ("POST", "/stop", None, "stop", {}),
        ("POST", "/restart", {"services": ["a"]}, "restart", {"services": ["a"]}),
        ("POST", "/scale", {"services": {"a": 2}}, "scale", {"services": {"a": 2}}),
        ("POST", "/reload", {}, "reload", {}),
    ],
)
async def test_a_request_becomes_a_command(
    method: str, path: str, body: object, command: str, arguments: dict[str, Any]
) -> None:
    supervisor = Supervisor()
    client = control_application(supervisor).test_client()
    response = await client.open(f"/api/v1{path}", method=method, json=body)
    assert (response.status_code, await response.get_json()) == (200, {"done": True})
    assert supervisor.asked == [(command, arguments)]


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (NotKnown("no such service"), 404),
        (ConfigError([Problem(message="wrong")]), 422),
        (ServiceFailed("api", "ended"), 409),
    ],
)
async def test_a_failure_is_an_answer(error: Any, status: int) -> None:
    supervisor = Supervisor()
    supervisor.answer = Answer(0, error=to_json(error))
    response = await control_application(supervisor).test_client().post("/api/v1/reload")
    assert response.status_code == status
    assert (await response.get_json())["error"]["message"] == error.message


@pytest.mark.parametrize(("method", "path", "status"), [("GET", "/nothing", 404), ("GET", "/stop", 405)])
async def test_what_there_is_not_is_refused_in_json(method: str, path: str, status: int) -> None:
    supervisor = Supervisor()
    client = control_application(supervisor).test_client()
    response = await client.open(f"/api/v1{path}", method=method, json=None)
    assert response.status_code == status
    assert path in (await response.get_json())["error"]["message"]
    assert supervisor.asked == []
