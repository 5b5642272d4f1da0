from __future__ import annotations

import asyncio
import json
from collections.abc import Mapping
from typing import Any

import pytest

from pywatt.channel.messages import Answer
from pywatt.config.model import HealthProbesConfig, ProbeEndpointConfig, ProbePolicy, ProbeResponse
from pywatt.control.probes.pages import ProbePages

pytestmark = pytest.mark.anyio

LIVENESS = ProbeEndpointConfig(endpoint="/status", policy=ProbePolicy(services=()))
OWN = ProbeEndpointConfig(success=ProbeResponse(body="OK"), fail=ProbeResponse(status=500, body="ERR"))


def supervisor(state: str, check: Mapping[str, Any] | None = None) -> Any:
    row = {"id": "api", "state": state, "ready": int(state == "ready"), "workers": 1, "detail": "", "check": check}

    async def ask(command: str, arguments: Mapping[str, Any]) -> Answer:
        assert (command, arguments) == ("health", {})
        return Answer(0, {"leaving": False, "services": [row]})

    return ask


async def answer(ask: Any, config: HealthProbesConfig, path: str = "/ready") -> tuple[int, str]:
    page = await ProbePages(ask, config, patience=0.05).page(path)
    assert page is not None
    return page.status, page.body.decode()


async def test_response_is_json_by_default() -> None:
    status, body = await answer(supervisor("ready"), HealthProbesConfig(liveness=LIVENESS))
    assert (status, json.loads(body)["status"]) == (200, "ready")
    status, body = await answer(supervisor("failed"), HealthProbesConfig())
    assert (status, json.loads(body)["reason"]) == (503, "api: failed")
    assert await answer(supervisor("failed"), HealthProbesConfig(liveness=LIVENESS), "/status") == (
        200,
        '{"status": "live"}',
    )


async def test_response_is_as_configured() -> None:
    config = HealthProbesConfig(readiness=OWN)
    assert await answer(supervisor("ready"), config) == (200, "OK")
    assert await answer(supervisor("failed"), config) == (500, "ERR")


async def test_response_is_that_of_a_check() -> None:
    check = {"status": 429, "body": "busy", "decides": True}
    assert await answer(supervisor("not-ready", check), HealthProbesConfig(readiness=OWN)) == (429, "busy")
    check = {"status": None, "body": "busy", "decides": True}
    assert await answer(supervisor("not-ready", check), HealthProbesConfig()) == (503, "busy")


async def test_supervisor_that_gives_no_answer_is_dead() -> None:
    async def ask(command: str, arguments: Mapping[str, Any]) -> Answer:
        await asyncio.get_running_loop().create_future()
        raise AssertionError

    for path in ("/ready", "/status"):
        status, body = await answer(ask, HealthProbesConfig(liveness=LIVENESS), path)
        assert status == 503
        assert json.loads(body)["reason"] == "the supervisor gave no answer within 0.05 s"


async def test_other_paths_are_no_endpoints() -> None:
    pages = ProbePages(supervisor("ready"), HealthProbesConfig())
    assert pages.paths == ("/ready",)
    assert await pages.page("/status") is None
