"""Retries do not disturb what is counted, logged and answered."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pywatt.errors import ConnectFailed
from pywatt.metrics.derived import with_derived
from pywatt.metrics.families import BY_BASE, FAMILIES
from pywatt.metrics.page import Page
from pywatt.metrics.readings import read_folder
from pywatt.metrics.recorder import Recorder
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics

Scene = Any
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 4\r\n\r\n"
UPSTREAMS = {"upstreams": ["http://one", "http://two"], "retries": True}


def document(**proxy: Any) -> dict[str, Any]:
    return {"gateway": {"applications": [{"id": "api", "proxy": proxy}]}}


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene(document(**UPSTREAMS))


def totals(folder: Path) -> dict[str, float]:
    page = Page(BY_BASE)
    page.add_readings(with_derived(read_folder(folder, "gw", "0", BY_BASE, lives=lambda _: True), FAMILIES))
    return {
        " ".join([sample.name.removeprefix("pywatt_gateway_"), *sample.labels.values()]): sample.value
        for family in page.families()
        for sample in family.samples
        if sample.value and sample.name.startswith(("pywatt_gateway_requests_", "pywatt_gateway_retries_"))
    }


def test_a_retried_request_is_counted_once(make_scene: Callable[..., Scene], tmp_path: Path) -> None:
    recorder = Recorder(tmp_path)
    scene = make_scene(document(**UPSTREAMS), metrics=GatewayMetrics(recorder))
    client, transport = scene.connect()
    client.data_received(GET)
    first = scene.service
    first.send(BUSY)  # its body is not waited for
    assert transport.take() == b""
    assert scene.service is not first
    assert b"host: a\r\n" in scene.service.received()
    scene.service.send(OK)
    assert transport.take().startswith(b"HTTP/1.1 200")
    recorder.refresh()
    counted = totals(tmp_path)
    assert [key for key in counted if "waiting" in key or "in_flight" in key] == []
    assert [value for key, value in counted.items() if "requests_total" in key] == [1.0]
    assert [key.split()[-1] for key in counted if "requests_total" in key] == ["2xx"]
    assert [("503" in key.split(), value) for key, value in counted.items() if "retries_total" in key] == [(True, 1.0)]


def test_both_upstreams_are_left_when_the_client_goes(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(BUSY)
    upstreams = list(scene.server.registry.upstreams.values())
    assert sorted(each.in_flight for each in upstreams) == [0, 1]
    transport.close()
    assert [each.in_flight for each in upstreams] == [0, 0]


def test_requests_in_flight_decide(scene: Scene) -> None:
    for _ in range(4):
        client, _ = scene.connect()
        client.data_received(GET)
    assert [each.in_flight for each in scene.server.registry.upstreams.values()] == [2, 2]


def test_a_failed_connection_is_tried_at_the_other_one(scene: Scene) -> None:
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    client.data_received(GET.replace(b"GET", b"POST").replace(b"Host", b"Content-Length: 2\r\nHost") + b"hi")
    scene.upstreams.fail(ConnectFailed("refused"))
    assert len(scene.upstreams.dialing) == 1
    service = scene.upstreams.open()
    assert service.received().endswith(b"\r\n\r\nhi")
    service.send(OK)
    assert transport.take().startswith(b"HTTP/1.1 200")


def test_the_last_failure_is_answered(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(document(upstreams=["http://one", "http://two"]))
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(BUSY + b"busy")
    assert transport.take().endswith(b"busy")
    scene.upstreams.hold_dials = True
    client.data_received(GET)
    if not scene.upstreams.dialing:  # the idle connection was taken
        scene.service.close()
    scene.upstreams.fail(ConnectFailed("refused"))
    scene.upstreams.fail(ConnectFailed("refused too"))
    assert b"refused too" in transport.take()
    assert all(not each.in_flight for each in scene.server.registry.upstreams.values())


def test_addresses_in_headers_are_mapped_for_each_upstream(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    route_host = b"one" if scene.upstreams.destinations[-1].host == "one" else b"two"
    scene.service.send(b"HTTP/1.1 302 X\r\nlocation: http://%b/next\r\ncontent-length: 0\r\n\r\n" % route_host)
    assert b"location: /api/next\r\n" in transport.take()
