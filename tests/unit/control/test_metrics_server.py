from __future__ import annotations

import asyncio
import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from pywatt.channel.messages import Answer
from pywatt.config.metrics_model import MetricsConfig, MetricsServerConfig
from pywatt.control.app_metrics import AppMetrics, ProcessorTime
from pywatt.control.metrics_server import metrics_application
from pywatt.control.service_pages import ServicePages
from pywatt.metrics.families import BY_BASE, GATEWAY_REFUSED
from pywatt.metrics.page import Page
from pywatt.metrics.recorder import Recorder
from pywatt.metrics.worker_folders import WorkerName, make_live_folder

pytestmark = pytest.mark.anyio

API: dict[str, Any] = {
    "id": "api",
    "internal": False,
    "state": "ready",
    "ready": 1,
    "restarts": 2,
    "metricsPage": None,
    "workers": [{"slot": 0, "pid": None, "state": "ready", "endpoint": ""}],
}


async def ask(command: str, _arguments: Mapping[str, Any]) -> Answer:
    if command == "metadata":
        return Answer(0, {"pid": 1, "name": "shop", "version": "1", "started": 5000})
    return Answer(0, {"services": [API, {**API, "id": "pywatt.control", "internal": True}]})


def made(folder: Path, **options: Any) -> AppMetrics:
    recorder = Recorder(make_live_folder(folder, WorkerName("api", "0", "1.1")))
    recorder.value(GATEWAY_REFUSED, "r", "503").add(3)
    return AppMetrics(ask, folder, MetricsConfig(**options))


async def test_the_page_names_each_family_once(tmp_path: Path) -> None:
    client = metrics_application(made(tmp_path), MetricsServerConfig(endpoint="/m")).test_client()
    answer = await client.get("/m")
    text = await answer.get_data(as_text=True)
    assert answer.status_code == 200
    assert answer.headers["content-type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert 'pywatt_gateway_refused_total{service="api",route="r",status="503"} 3\n' in text
    assert 'pywatt_service_restarts_total{service="api"} 2\n' in text
    assert "pywatt_app_start_time_seconds 5\n" in text
    assert "pywatt.control" not in text
    heads = [line for line in text.splitlines() if line.startswith("# ")]
    assert len(set(heads)) == len(heads)
    assert (await client.get("/m", headers={"accept": "application/json"})).is_json
    assert "/m" in await (await client.get("/")).get_data(as_text=True)


async def test_the_label_of_services_and_further_labels(tmp_path: Path) -> None:
    metrics = made(tmp_path, application_label="applicationId", per_worker=True, labels={"site": "a"})
    families = {family.name: family for family in await metrics.collect("api")}
    assert families["pywatt_gateway_refused_total"].samples[0].labels == {
        "site": "a",
        "applicationId": "api",
        "worker": "0",
        "route": "r",
        "status": "503",
    }
    assert families["pywatt_service_ready_workers"].samples[0].labels == {"site": "a", "applicationId": "api"}
    assert "pywatt_app_info" not in families


@pytest.mark.parametrize(
    ("authorization", "status"),
    [
        ({}, 401),
        ({"authorization": "Bearer me:secret"}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"me:wrong").decode()}, 401),
        ({"authorization": "Basic " + base64.b64encode(b"me:secret").decode()}, 200),
    ],
)
async def test_name_and_password(tmp_path: Path, authorization: dict[str, str], status: int) -> None:
    config = MetricsServerConfig(username="me", password="secret")
    client = metrics_application(made(tmp_path), config).test_client()
    for path in ("/metrics", "/", "/other"):
        expected = 404 if status == 200 and path == "/other" else status
        assert (await client.get(path, headers=authorization)).status_code == expected


async def test_a_page_that_cannot_be_collected_in_time_is_503(tmp_path: Path) -> None:
    async def never(_command: str, _arguments: Mapping[str, Any]) -> Answer:
        await asyncio.Event().wait()
        raise AssertionError

    metrics = AppMetrics(never, tmp_path, MetricsConfig(timeout=0.01))
    answer = await metrics_application(metrics, MetricsServerConfig()).test_client().get("/metrics")
    assert answer.status_code == 503


def test_processor_time_never_falls() -> None:
    used = {1: 5.0, 2: 7.0, 3: 1.0}
    time = ProcessorTime(lambda pids: sum(used.get(pid, 0.0) for pid in pids))
    assert time.seconds("api", [[1], [2]]) == 12
    assert time.seconds("api", [[1], [3]]) == 13
    assert time.seconds("api", []) == 13
    assert time.seconds("other", [[3]]) == 1


async def test_pages_of_services_keep_their_counts(tmp_path: Path) -> None:
    path, pages = (
        tmp_path / "s",
        ["# TYPE jobs_total counter\njobs_total 4\n", "", "# TYPE jobs_total counter\njobs_total 1\n"],
    )

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        page = pages.pop(0).encode()
        status = b"200 OK" if page else b"500 Oh"
        writer.write(b"HTTP/1.1 %b\r\ncontent-length: %d\r\nconnection: close\r\n\r\n%b" % (status, len(page), page))
        writer.close()

    def row(pid: int) -> dict[str, Any]:
        worker = {"slot": 0, "pid": pid, "state": "ready", "endpoint": f"unix:{path}"}
        return {**API, "metricsPage": "/metrics", "workers": [worker]}

    async def jobs(pid: int) -> float:
        page = Page(BY_BASE)
        page.add_readings(await read.read([row(pid)], 10))
        return page.families()[0].samples[0].value

    read = ServicePages(BY_BASE)
    async with await asyncio.start_unix_server(serve, path):
        assert (await jobs(10), read.up) == (4, {"api": True})
        assert (await jobs(10), read.up) == (4, {"api": False})
        assert (await jobs(11), read.up) == (5, {"api": True})
