"""Equal requests are sent once, and nobody gets what is another's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pywatt.errors import ConnectFailed
from pywatt.http.response_reader import ResponseHead
from pywatt_services.gateway.upstreams.deduplication import LARGEST, DeduplicationOptions, may_share

Scene = Any
GET = b"GET /api/x HTTP/1.1\r\nHost: a\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
BUSY = b"HTTP/1.1 503 Busy\r\ncontent-length: 0\r\n\r\n"


@pytest.fixture
def scene(make_scene: Callable[..., Scene]) -> Scene:
    return make_scene({"gateway": {"deduplication": True}})


def ask(scene: Scene, request: bytes = GET) -> tuple[Any, Any]:
    client, transport = scene.connect()
    client.data_received(request)
    return client, transport


def test_equal_requests_share_a_response(scene: Scene) -> None:
    transports = [ask(scene)[1] for _ in range(3)]
    assert len(scene.upstreams.services) == 1
    assert scene.service.received().count(b"GET ") == 1
    scene.service.send(OK)
    for transport in transports:
        assert transport.take().endswith(b"\r\n\r\nok")
    ask(scene)
    assert scene.service.received().count(b"GET ") == 1  # what has ended is not kept


def test_a_response_in_pieces_is_shared_once_it_is_complete(scene: Scene) -> None:
    _, first = ask(scene)
    client, second = ask(scene)
    scene.service.send(OK[:-1])
    assert first.take().endswith(b"o")
    assert second.take() == b""
    scene.service.send(OK[-1:])
    assert first.take() == b"k"
    assert second.take().endswith(b"\r\n\r\nok")
    client.data_received(GET)  # its connection goes on
    scene.service.send(OK)
    assert second.take().endswith(b"ok")


@pytest.mark.parametrize(
    "other",
    [
        GET.replace(b"/x", b"/y"),
        GET.replace(b"/x", b"/x?a"),
        GET.replace(b"Host: a", b"Host: b"),
        GET.replace(b"GET", b"HEAD"),
        GET.replace(b"Host: a", b"Host: a\r\nCookie: a=1"),
        GET.replace(b"Host: a", b"Host: a\r\nAuthorization: Basic eDp5"),
        GET.replace(b"Host: a", b"Host: a\r\nAccept: text/html"),
        GET.replace(b"Host: a", b"Host: a\r\nRange: bytes=0-1"),
        GET.replace(b"Host: a", b"Host: a\r\nOrigin: https://x"),
        GET.replace(b"Host: a", b"Host: a\r\nIf-None-Match: x"),
        GET.replace(b"GET", b"POST").replace(b"\r\n\r\n", b"\r\nContent-Length: 0\r\n\r\n"),
    ],
)
def test_other_requests_are_sent(scene: Scene, other: bytes) -> None:
    _, first = ask(scene)
    _, second = ask(scene, other)
    assert len(scene.upstreams.services) == 2
    for service, transport, body in zip(scene.upstreams.services, (first, second), (b"aa", b"bb"), strict=True):
        service.send(OK.replace(b"ok", body))
        assert transport.take().startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize(
    "header",
    [
        b"set-cookie: a=1",
        b"cache-control: no-store",
        b"cache-control: max-age=1, private",
        b"vary: user-agent",
        b"vary: *",
    ],
)
def test_what_is_for_one_client_is_asked_for_by_each(scene: Scene, header: bytes) -> None:
    transports = [ask(scene)[1] for _ in range(3)]
    scene.service.send(OK.replace(b"content", header + b"\r\ncontent"))
    assert [bool(transport.take()) for transport in transports] == [True, False, False]
    for service in scene.upstreams.services:
        if service.received().count(b"GET "):
            service.send(OK.replace(b"content", header + b"\r\ncontent"))
    assert all(transport.take() for transport in transports[1:])


def test_what_may_be_shared() -> None:
    def shared(size: int | None, *headers: tuple[bytes, bytes]) -> bool:
        head = ResponseHead(200, list(headers), size, until_close=False, keep_alive=True, dated=False)
        return may_share(DeduplicationOptions(headers=("x-tenant",)), head, size)

    assert shared(LARGEST, (b"Vary", b"Accept-Encoding, X-Tenant"), (b"Cache-Control", b"public, max-age=5"))
    assert not shared(LARGEST + 1)
    assert not shared(None)
    assert not shared(1, (b"Vary", b"X-Other"))


def test_large_and_endless_responses_are_asked_for_by_each(scene: Scene) -> None:
    _, first = ask(scene)
    _, second = ask(scene)
    scene.service.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    assert len(scene.upstreams.services) == 2
    scene.service.send(OK)
    assert second.take().endswith(b"ok")
    assert b"chunked" in first.take()


def test_a_client_that_leaves_takes_nothing_from_the_others(scene: Scene) -> None:
    _, first = ask(scene)
    _, second = ask(scene)
    _, third = ask(scene)
    scene.service.send(OK[:-1])
    first.close()
    assert len(scene.upstreams.services) == 2
    scene.service.send(OK)
    assert second.take().endswith(b"ok")
    assert third.take().endswith(b"ok")


def test_one_that_waits_may_leave(scene: Scene) -> None:
    _, first = ask(scene)
    _, second = ask(scene)
    _, third = ask(scene)
    second.close()
    scene.service.send(OK)
    assert (first.take()[-2:], third.take()[-2:]) == (b"ok", b"ok")
    assert second.take() == b""


def test_a_failure_is_told_to_all(scene: Scene) -> None:
    scene.upstreams.hold_dials = True
    transports = [ask(scene)[1] for _ in range(3)]
    assert len(scene.upstreams.dialing) == 1
    scene.upstreams.fail(ConnectFailed("refused"))
    for transport in transports:
        assert transport.take().startswith(b"HTTP/1.1 502")


def test_time_limits_count_for_all(scene: Scene) -> None:
    transports = [ask(scene)[1] for _ in range(2)]
    scene.pass_time(301)
    for transport in transports:
        assert transport.take().startswith(b"HTTP/1.1 504")
    assert len(scene.upstreams.services) == 1


def test_retries_and_policies_go_together(make_scene: Callable[..., Scene]) -> None:
    proxy = {"retries": True, "upstreams": ["http://one", "http://two"], "headers": {"response": {"set": {"X-A": "b"}}}}
    scene = make_scene({"gateway": {"applications": [{"id": "api", "proxy": {**proxy, "deduplication": True}}]}})
    transports = [ask(scene)[1] for _ in range(3)]
    scene.service.send(BUSY)
    assert len(scene.upstreams.services) == 2
    scene.service.send(OK)
    for transport in transports:
        written = transport.take()
        assert written.endswith(b"ok")
        assert written.count(b"X-A: b\r\n") == 1
    assert all(not each.in_flight for each in scene.server.registry.upstreams.values())


def test_options(make_scene: Callable[..., Scene]) -> None:
    entry = {"skipHeaders": ["Cookie"], "headers": ["X-Tenant"], "methods": ["GET"]}
    scene = make_scene({"gateway": {"applications": [{"id": "api", "proxy": {"deduplication": entry}}]}})
    for request in (
        GET.replace(b"Host: a", b"Host: a\r\nCookie: a=1"),
        GET.replace(b"GET", b"HEAD"),
    ):
        before = len(scene.upstreams.services)
        ask(scene, request)
        ask(scene, request)
        assert len(scene.upstreams.services) == before + 2
    ask(scene)
    before = len(scene.upstreams.services)
    ask(scene)
    assert len(scene.upstreams.services) == before
    ask(scene, GET.replace(b"Host: a", b"Host: a\r\nX-Tenant: 1"))
    assert len(scene.upstreams.services) == before + 1


def test_off_is_off(make_scene: Callable[..., Scene]) -> None:
    for value in (False, {"enabled": False}):
        scene = make_scene({"gateway": {"deduplication": value, "applications": [{"id": "api"}]}})
        assert scene.server.own_exchanges == {}
