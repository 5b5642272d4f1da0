"""Request/response with four kafka-hooks workers and two responders, all of them replaced in the middle of it.

PYWATT_ROUND_TRIPS sets how many calls are made.
"""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import anyio
import pytest
from harness.app import PATIENCE, PYWATT, clean_environment, run_pywatt, write_files
from harness.apps import Files

from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable

pytestmark = pytest.mark.anyio

CALLS = int(os.environ.get("PYWATT_ROUND_TRIPS", "2000"))
CLIENTS = 32

RESPONDER = """
import os

from pywatt_kafka import Call, Responder

TOPIC = os.environ["TOPIC"]
responder = Responder(f"{TOPIC}-requests", f"{TOPIC}-responses", group=f"{TOPIC}-worker")

@responder
async def echo(call: Call) -> bytes:
    return call.params["id"].encode() + b" " + call.body

async def main() -> None:
    await responder.run()
"""


def app_files(broker: str, topic: str) -> Files:
    return {
        "watt.json": {
            "entrypoint": "gateway",
            "web": [
                {"id": "gateway", "path": "web/gateway"},
                {"id": "kafka-hooks", "path": "web/kafka-hooks", "workers": 4},
                {"id": "worker", "path": "web/worker", "workers": 2},
            ],
            "server": {"port": 0},
        },
        "web/gateway/platformatic.json": {
            "$schema": "https://schemas.platformatic.dev/@platformatic/gateway/3.0.0.json",
            "gateway": {"applications": [{"id": "kafka-hooks", "proxy": {"prefix": "/"}}]},
        },
        "web/kafka-hooks/platformatic.json": {
            "$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json",
            "brokers": [broker],
            "requestResponse": [
                {"path": "/echo/:id", "requestTopic": f"{topic}-requests", "responseTopic": f"{topic}-responses"}
            ],
        },
        "web/worker/main.py": RESPONDER,
    }


def restart(folder: Path, service: str) -> None:
    command = [str(PYWATT), "restart", service]
    subprocess.run(command, cwd=folder, env=clean_environment(), check=True, capture_output=True, timeout=PATIENCE)


async def test_no_reply_is_lost_or_misrouted_while_all_workers_are_replaced(
    broker: str, topic: str, tmp_path: Path
) -> None:
    write_files(tmp_path, app_files(broker, topic))
    wrong: list[tuple[int, int, bytes]] = []
    begun = answered = 0

    async def client(mesh: MeshClient, url: str) -> None:
        nonlocal begun, answered
        while begun < CALLS:
            number = begun
            begun += 1
            answer = await mesh.request("POST", f"{url}/echo/{number}", body=b"body-%d" % number, timeout=PATIENCE)
            if (answer.status, answer.body) != (200, b"%d body-%d" % (number, number)):
                wrong.append((number, answer.status, answer.body))
            answered += 1

    with run_pywatt(tmp_path, env={"TOPIC": topic, "KAFKA_BROKERS": broker}) as app:
        url = await anyio.to_thread.run_sync(lambda: app.url)
        async with MeshClient(MeshTable(0)) as mesh:
            with anyio.fail_after(PATIENCE + CALLS / 50):
                async with anyio.create_task_group() as clients:
                    for _ in range(CLIENTS):
                        clients.start_soon(client, mesh, url)
                    for part, service in ((1, "kafka-hooks"), (2, "worker")):
                        while answered < CALLS * part // 4:
                            await mesh.request("GET", f"{url}/", timeout=PATIENCE)
                        await anyio.to_thread.run_sync(restart, tmp_path, service)
        assert app.stop() == 0
    assert wrong == []
    assert answered == CALLS
