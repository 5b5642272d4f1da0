"""Each request is logged once, however it ends."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pywatt.errors import ConnectFailed, ServiceUnavailable
from pywatt.metrics.recorder import Recorder
from pywatt_services.gateway.access_log.access_log import FLUSH_SECONDS, PER_TURN, AccessLog
from pywatt_services.gateway.access_log.entry import AccessEntry
from pywatt_services.gateway.counting.route_metrics import GatewayMetrics

Scene = Any
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
POST = b"POST /api/x HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
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


class Written:
    """Plays the thread that writes."""

    def __init__(self) -> None:
        self.batches: list[tuple[bytes, int]] = []

    def write(self, line: bytes, *, lines: int = 1) -> None:
        self.batches.append((line, lines))


class Logging:
    """A scene with an access log."""

    def __init__(self, make_scene: Callable[..., Scene], **options: Any) -> None:
        self.entries: list[AccessEntry] = []
        self.log = AccessLog(self._line, Written(), lambda _delay, _call: None)
        self.scene = make_scene(access_log=self.log, **options)
        self.client, self.transport = self.scene.connect()

    def _line(self, entry: AccessEntry) -> bytes:
        self.entries.append(entry)
        return b"\n"

    def logged(self) -> list[tuple[int, str, int, bool]]:
        """Return status, route, bytes and whether it was complete, of each request since the last call."""
        self.log.close()
        entries, self.entries = self.entries, []
        return [(entry.status, entry.route, entry.sent, entry.complete) for entry in entries]


@pytest.fixture(params=["plain", "counted"])
def logging(make_scene: Callable[..., Scene], request: pytest.FixtureRequest, tmp_path: Path) -> Logging:
    counted = request.param == "counted"
    return Logging(make_scene, metrics=GatewayMetrics(Recorder(tmp_path)) if counted else None)


def test_a_response(logging: Logging) -> None:
    logging.client.data_received(GET)
    assert logging.logged() == []
    logging.scene.service.send(OK)
    [entry] = logging.log._entries
    assert entry.upstream_seconds is not None
    assert entry.upstream_seconds <= entry.seconds
    assert (entry.ip, entry.request and entry.request.path) == (b"192.0.2.7", b"/api/x")
    assert logging.logged() == [(200, "api", 2, True)]


def test_a_response_in_pieces(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.service.send(OK[:-1])
    assert logging.logged() == []
    logging.scene.service.send(OK[-1:])
    assert logging.logged() == [(200, "api", 2, True)]


def test_responses_of_the_gateway_itself(logging: Logging) -> None:
    logging.client.data_received(GET.replace(b"/api", b"/none"))
    [(status, route, sent, complete)] = logging.logged()
    assert (status, route, complete) == (404, "", True)
    assert sent > 0
    logging.client.data_received(GET.replace(b"/api", b"/none").replace(b"GET", b"HEAD"))
    assert logging.logged() == [(404, "", 0, True)]


def test_a_head_that_is_not_valid(logging: Logging) -> None:
    logging.client.data_received(b"GET / HTTP/1.1\r\nHost: a\r\nbad\r\n\r\n")
    [entry] = logging.log._entries
    assert (entry.status, entry.request, entry.seconds) == (400, None, 0.0)


def test_a_body_that_is_not_valid(logging: Logging) -> None:
    logging.client.data_received(POST)
    logging.client.data_received(b"1\r\na\r\nzz\r\n")
    [entry] = logging.log._entries
    assert entry.request is not None
    assert [(status, route) for status, route, _, _ in logging.logged()] == [(400, "api")]


@pytest.mark.parametrize(("error", "status"), [(ConnectFailed("no"), 502), (ServiceUnavailable("no"), 503)])
def test_a_service_that_is_away(logging: Logging, error: Exception, status: int) -> None:
    logging.scene.upstreams.hold_dials = True
    logging.client.data_received(GET)
    logging.scene.upstreams.fail(error)
    assert [entry[:2] for entry in logging.logged()] == [(status, "api")]


def test_a_service_that_does_not_respond(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.pass_time(301)
    assert [entry[:2] for entry in logging.logged()] == [(504, "api")]


def test_a_client_that_leaves_before_the_response(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.transport.close()
    assert logging.logged() == [(499, "api", 0, False)]


def test_a_client_that_leaves_within_the_response(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.service.send(OK[:-1])
    logging.transport.close()
    assert logging.logged() == [(200, "api", 1, False)]


def test_a_service_that_leaves_within_the_response(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.service.send(OK[:-1])
    logging.scene.service.close()
    assert logging.logged() == [(200, "api", 1, False)]


def test_a_request_that_is_sent_again_is_logged_once(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.service.send(OK)
    logging.client.data_received(GET)
    logging.scene.service.close()
    logging.scene.service.send(OK)
    assert logging.logged() == [(200, "api", 2, True)] * 2


def test_a_websocket_at_its_end(logging: Logging) -> None:
    logging.client.data_received(HANDSHAKE)
    logging.scene.service.send(SWITCHING)
    logging.scene.service.send(b"\x81\x02hi")
    assert logging.logged() == []
    logging.transport.close()
    assert logging.logged() == [(101, "api", 4, True)]


def test_a_websocket_that_the_service_closes(logging: Logging) -> None:
    logging.client.data_received(HANDSHAKE)
    logging.scene.service.send(SWITCHING)
    logging.scene.service.close()
    assert logging.logged() == [(101, "api", 0, True)]


async def test_events_that_the_gateway_ends(logging: Logging) -> None:
    logging.client.data_received(GET)
    logging.scene.service.send(EVENTS)
    await logging.scene.server.end_events()
    assert logging.logged() == [(200, "api", 1, True)]


HEADERS = {"gateway": {"defaults": {"headers": {"response": {"set": {"X-A": "b"}}}}}}


def test_a_route_with_policies(make_scene: Callable[..., Scene]) -> None:
    logging = Logging(make_scene, document=HEADERS)
    logging.client.data_received(GET)
    logging.scene.service.send(OK)
    assert b"X-A: b" in logging.transport.take()
    assert logging.logged() == [(200, "api", 2, True)]


def test_a_gateway_with_too_many_clients(logging: Logging) -> None:
    logging.client.refuse_for_want_of_room()
    assert [entry[:2] for entry in logging.logged()] == [(503, "")]


def test_entries_are_formatted_together_and_some_in_each_turn() -> None:
    written = Written()
    calls: list[tuple[float, Callable[[], None]]] = []
    log = AccessLog(lambda _: b"line\n", written, lambda delay, call: calls.append((delay, call)))
    for _ in range(PER_TURN + 1):
        log.add(AccessEntry(0.0, 0.0, b"", False, None, 200, 0))
    assert [delay for delay, _ in calls] == [FLUSH_SECONDS]
    assert written.batches == []
    calls.pop()[1]()
    assert written.batches == [(b"line\n" * PER_TURN, PER_TURN)]
    assert [delay for delay, _ in calls] == [0]
    calls.pop()[1]()
    assert written.batches[1:] == [(b"line\n", 1)]
    assert calls == []
