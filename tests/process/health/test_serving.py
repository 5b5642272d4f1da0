"""The health service over HTTP."""

from __future__ import annotations

import asyncio
import socket
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
from harness.context import PATIENCE, Worker, ready

from pywatt.mesh.table import MeshService, MeshTable, ServiceState
from pywatt.service_type import Placement
from pywatt_services.health import TYPE

pytestmark = pytest.mark.anyio


def service(document: dict[str, Any] | None = None) -> partial[Any]:
    placement = Placement(id="it", path=Path(), services=("it",))
    return partial(TYPE.serve, TYPE.configure(document or {}, placement).options)


def table(state: ServiceState) -> MeshTable:
    return MeshTable(1, {"api": MeshService("api", state, 1, ready=state is ServiceState.READY)})


async def ask(worker: Worker, path: str, method: str = "GET") -> httpx.Response:
    async with httpx.AsyncClient(trust_env=False) as client:
        return await client.request(method, f"http://127.0.0.1:{worker.port}{path}")


@pytest.mark.parametrize(
    ("state", "statuses"),
    [
        (ServiceState.READY, {"/health": 200, "/health/ready": 200, "/health/live": 200}),
        (ServiceState.RESTARTING, {"/health": 200, "/health/ready": 503, "/health/live": 200}),
        (ServiceState.FAILED, {"/health": 503, "/health/ready": 503, "/health/live": 200}),
    ],
)
async def test_statuses(state: ServiceState, statuses: dict[str, int]) -> None:
    async with ready(service(), table=table(state)) as worker:
        assert {path: (await ask(worker, path)).status_code for path in statuses} == statuses
        for alias, path in {"/": "/health", "/ready": "/health/ready", "/status": "/health/live"}.items():
            assert (await ask(worker, alias)).json() == (await ask(worker, path)).json()


async def test_the_newest_table_counts() -> None:
    async with ready(service(), table=table(ServiceState.READY)) as worker:
        assert (await ask(worker, "/health")).json()["services"]["api"]["status"] == "ready"
        worker.context.table = table(ServiceState.FAILED)
        assert (await ask(worker, "/health")).json()["services"]["api"]["status"] == "failed"


async def test_what_it_does_not_know() -> None:
    async with ready(service()) as worker:
        answer = await ask(worker, "/nope")
        assert (answer.status_code, answer.json()["message"]) == (404, "Route GET:/nope not found")
        assert (await ask(worker, "/health", "POST")).status_code == 404
        head = await ask(worker, "/health", "HEAD")
        assert (head.status_code, head.content) == (200, b"")
        assert head.headers["cache-control"] == "no-store"


async def test_a_broker_that_is_away_degrades_and_holds_up_nothing() -> None:
    with socket.socket() as nobody:
        nobody.bind(("127.0.0.1", 0))
        broker = f"127.0.0.1:{nobody.getsockname()[1]}"
        lag = {"brokers": [broker], "groupId": "my-consumer-group", "checkInterval": 50}
        async with ready(service({"health": lag}), table=table(ServiceState.READY)) as worker:
            first = (await ask(worker, "/health")).json()
            async with asyncio.timeout(PATIENCE):
                while not worker.context.degraded_by:
                    await ask(worker, "/health")
            answer = await ask(worker, "/health")
            await worker.stop()
    assert first["lag"] == {}
    assert answer.status_code == 200
    assert answer.json()["status"] == "degraded"
    assert broker in answer.json()["groups"]["my-consumer-group"]["reason"]
    assert broker in str(worker.context.degraded_by[-1])
