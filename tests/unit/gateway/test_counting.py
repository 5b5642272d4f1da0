"""What a gateway counts, however an exchange ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pywatt.errors import ConnectFailed, ServiceUnavailable
from pywatt.metrics.derived import with_derived
from pywatt.metrics.families import BY_BASE, FAMILIES
from pywatt.metrics.page import Page
from pywatt.metrics.readings import read_folder
from pywatt.metrics.recorder import Recorder
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics

Scene = Any
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
EVENTS = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n"
HANDSHAKE = (
    b"GET /api/ws HTTP/1.1\r\nHost: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
)
SWITCHING = (
    b"HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)


class Counting:
    """A scene that counts."""

    def __init__(self, make_scene: Callable[..., Scene], folder: Path) -> None:
        self.folder = folder
        self.recorder = Recorder(folder)
        self.scene = make_scene(metrics=GatewayMetrics(self.recorder))

    def counts(self) -> dict[str, float]:
        """Return all numbers but 0, without the durations."""
        self.recorder.refresh()
        page = Page(BY_BASE)
        page.add_readings(with_derived(read_folder(self.folder, "gw", "0", BY_BASE, lives=lambda _: True), FAMILIES))
        return {
            " ".join([sample.name.removeprefix("pywatt_gateway_"), *labels]): sample.value
            for family in page.families()
            for sample in family.samples
            if sample.value and "duration" not in sample.name and "mesh" not in sample.name
            for labels in [[value for name, value in sample.labels.items() if name not in ("service", "route")]]
        }


@pytest.fixture
def counting(make_scene: Callable[..., Scene], tmp_path: Path) -> Counting:
    return Counting(make_scene, tmp_path)


OPENED = {"upstream_connections_opened_total": 1.0}


def test_answers_by_method_and_class_and_connections_that_were_opened(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET)
    assert counting.counts() == {**OPENED, "requests_in_flight": 1}
    counting.scene.service.send(OK)
    client.data_received(GET.replace(b"GET", b"BREW"))
    counting.scene.service.send(OK.replace(b"200", b"404"))
    assert counting.counts() == {**OPENED, "requests_total GET 2xx": 1, "requests_total other 4xx": 1}


def test_a_streamed_response_counts_at_its_end(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET)
    counting.scene.service.send(OK[:-1])
    assert counting.counts() == {**OPENED, "requests_in_flight": 1}
    counting.scene.service.send(OK[-1:])
    assert counting.counts() == {**OPENED, "requests_total GET 2xx": 1}


@pytest.mark.parametrize("begun", [False, True])
def test_a_client_that_leaves(counting: Counting, begun: bool) -> None:
    client, transport = counting.scene.connect()
    client.data_received(GET)
    if begun:
        counting.scene.service.send(OK[:-1])
    transport.close()
    assert counting.counts() == {**OPENED, "requests_total GET aborted": 1}


def test_a_service_that_breaks_off(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET)
    counting.scene.service.send(OK[:-1])
    counting.scene.service.close()
    assert counting.counts() == {**OPENED, "requests_total GET aborted": 1}


@pytest.mark.parametrize(("error", "status"), [(ConnectFailed("no"), "502"), (ServiceUnavailable("no"), "503")])
def test_a_service_that_cannot_be_reached(counting: Counting, error: Any, status: str) -> None:
    counting.scene.upstreams.hold_dials = True
    client, _ = counting.scene.connect()
    client.data_received(GET)
    assert counting.counts() == {"requests_in_flight": 1, "requests_waiting": 1}
    counting.scene.upstreams.fail(error)
    assert counting.counts() == {"requests_total GET 5xx": 1, f"refused_total {status}": 1}


def test_a_service_that_does_not_answer_in_time(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET)
    counting.scene.pass_time(301)
    assert counting.counts() == {**OPENED, "requests_total GET 5xx": 1, "refused_total 504": 1}


def test_a_client_that_leaves_while_it_waits(counting: Counting) -> None:
    counting.scene.upstreams.hold_dials = True
    client, transport = counting.scene.connect()
    client.data_received(GET)
    transport.close()
    assert counting.counts() == {"requests_total GET aborted": 1}


@pytest.mark.parametrize("side", ["client", "service"])
def test_websockets(counting: Counting, side: str) -> None:
    client, transport = counting.scene.connect()
    client.data_received(HANDSHAKE)
    counting.scene.service.send(SWITCHING)
    assert counting.counts() == {**OPENED, "requests_total GET 1xx": 1, "websockets": 1}
    if side == "client":
        transport.close()
    else:
        counting.scene.service.close()
    assert counting.counts() == {**OPENED, "requests_total GET 1xx": 1}


def test_a_refused_handshake(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(HANDSHAKE)
    counting.scene.service.send(SWITCHING.replace(b"s3p", b"abc"))
    assert counting.counts() == {**OPENED, "requests_total GET 5xx": 1, "refused_total 502": 1}


@pytest.mark.anyio
async def test_events_that_the_gateway_ends(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET)
    counting.scene.service.send(EVENTS)
    await counting.scene.server.end_events()
    assert counting.counts() == {**OPENED, "requests_total GET 2xx": 1}


def test_paths_without_a_route(counting: Counting) -> None:
    client, _ = counting.scene.connect()
    client.data_received(GET.replace(b"/api/x", b"/nothing"))
    assert counting.counts() == {"unrouted_requests_total": 1}
