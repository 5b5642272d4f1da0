"""Requests through the gateway: the service's request and the client's response."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pywatt.errors import ConnectFailed, ServiceUnavailable
from pywatt.http.server.state import CLOSED, LINGERING
from pywatt.mesh.address import ServiceAddress

Scene = Any  # conftest's; importing it would load it twice
GET = b"GET /api/x?y=z HTTP/1.1\r\nHost: example.org\r\n\r\n"
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"
FORWARDED = (
    b"x-forwarded-for: 192.0.2.7\r\nx-forwarded-host: example.org\r\nx-forwarded-proto: http\r\n"
    b"x-forwarded-prefix: /api\r\n"
)


def test_request_is_written_anew_and_the_response_too(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(
        b"GET /api/a/./b/../x?y=z HTTP/1.1\r\nHOST: example.org\r\nAccept:  */* \r\nConnection: x-hop\r\nX-Hop: 1\r\n"
        b"X-Forwarded-For: 10.0.0.1\r\nForwarded: for=10.0.0.1\r\nX-Real-IP: 10.0.0.1\r\n\r\n"
    )
    assert scene.upstreams.destinations == [ServiceAddress("api")]
    assert scene.service.received() == (
        b"GET /a/x?y=z HTTP/1.1\r\nhost: example.org\r\nAccept: */*\r\n" + FORWARDED + b"\r\n"
    )
    scene.service.send(
        b"HTTP/1.1 200 Fine\r\nX-A: 1\r\nKeep-Alive: 5\r\nServer: uvicorn\r\ncontent-length: 02\r\n\r\nok"
    )
    assert transport.take() == (
        b"HTTP/1.1 200 OK\r\nX-A: 1\r\nServer: uvicorn\r\n" + DATE + b"content-length: 2\r\n\r\nok"
    )
    assert len(scene.upstreams.idle) == 1


def test_forwarded_headers_of_a_trusted_proxy_are_kept(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"server": {"trustProxy": True}})
    client, _ = scene.connect("::ffff:192.0.2.7")
    client.data_received(
        b"GET /api HTTP/1.1\r\nHost: inner\r\nX-Forwarded-For: 10.0.0.1\r\nX-Forwarded-Host: outer\r\n"
        b"X-Forwarded-Proto: https\r\nX-Forwarded-Prefix: /outer/\r\n\r\n"
    )
    assert scene.service.received() == (
        b"GET / HTTP/1.1\r\nhost: inner\r\nx-forwarded-for: 10.0.0.1, 192.0.2.7\r\n"
        b"x-forwarded-host: outer\r\nx-forwarded-proto: https\r\nx-forwarded-prefix: /outer/api\r\n\r\n"
    )


def test_base_path_is_taken_off_and_put_back(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(base_path="/base/")
    client, transport = scene.connect()
    client.data_received(GET.replace(b"/api", b"/base/api"))
    received = scene.service.received()
    assert received.startswith(b"GET /x?y=z HTTP/1.1\r\n")
    assert b"x-forwarded-prefix: /base/api\r\n" in received
    scene.service.send(b"HTTP/1.1 302 Found\r\nlocation: /in\r\ncontent-length: 0\r\n\r\n")
    assert b"location: /base/api/in\r\n" in transport.take()
    client.data_received(GET)
    assert scene.service.received().startswith(b"GET /x?y=z HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("request_bytes", "status", "body"),
    [
        (
            b"GET /x?y HTTP/1.1\r\nHost: a\r\n\r\n",
            b"404 Not Found",
            b'{"message":"Route GET:/x?y not found","error":"Not Found","statusCode":404}',
        ),
        (b"GET / HTTP/1.1\r\nHost: a\r\n\r\n", b"200 OK", b'{"message":"Welcome to pywatt!'),
        (b"HEAD / HTTP/1.1\r\nHost: a\r\n\r\n", b"200 OK", b""),
        (b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n", b"204 No Content", b""),
    ],
)
def test_answers_of_the_gateway_itself(scene: Scene, request_bytes: bytes, status: bytes, body: bytes) -> None:
    client, transport = scene.connect()
    client.data_received(request_bytes)
    head, _, rest = transport.take().partition(b"\r\n\r\n")
    assert head.startswith(b"HTTP/1.1 " + status + b"\r\n")
    assert rest.startswith(body)
    assert bool(rest) == bool(body)
    assert not scene.upstreams.services
    assert client.idle


def test_bodies_stream_both_ways(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\na")
    assert scene.service.received().endswith(b"content-length: 4\r\n\r\na")
    scene.service.send(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nA\r\n")
    assert transport.take().endswith(b"transfer-encoding: chunked\r\n\r\n1\r\nA\r\n")
    client.data_received(b"bcd")
    assert scene.service.received() == b"bcd"
    scene.service.send(b"2\r\nBC\r\n0\r\n\r\n")
    assert transport.take() == b"2\r\nBC\r\n0\r\n\r\n"
    assert client.idle
    assert len(scene.upstreams.idle) == 1


def test_chunked_request(scene: Scene) -> None:
    client, _ = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    assert scene.service.received().endswith(b"transfer-encoding: chunked\r\n\r\n1\r\na\r\n")
    client.data_received(b"2\r\nbc\r\n0\r\nX: y\r\n\r\n")
    assert scene.service.received() == b"2\r\nbc\r\n0\r\n\r\n"


def test_upgrades_other_than_to_a_websocket_never_reach_a_service(scene: Scene) -> None:
    client, _ = scene.connect()
    client.data_received(
        b"POST /api HTTP/1.1\r\nHost: example.org\r\nConnection: Upgrade, HTTP2-Settings\r\nUpgrade: h2c\r\n"
        b"HTTP2-Settings: x\r\nContent-Length: 5\r\n\r\n"
    )
    client.data_received(b"GET /evil HTTP/1.1\r\n\r\n")
    assert scene.service.received() == (
        b"POST / HTTP/1.1\r\nhost: example.org\r\n" + FORWARDED + b"content-length: 5\r\n\r\nGET /"
    )


def test_expectation_is_met_by_the_gateway(scene: Scene) -> None:
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 2\r\n\r\n")
    assert transport.take() == b""
    service = scene.upstreams.open()
    assert transport.take() == b"HTTP/1.1 100 Continue\r\n\r\n"
    assert b"expect" not in service.received().lower()
    client.data_received(b"ab")
    service.send(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert transport.take().startswith(b"HTTP/1.1 200 OK\r\n")


def test_early_hints_are_passed_on(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 103 Early Hints\r\nlink: </a>\r\n\r\n")
    assert transport.take() == b"HTTP/1.1 103 Early Hints\r\nlink: </api/a>\r\n\r\n"
    scene.service.send(OK)
    assert transport.take().endswith(b"ok")


@pytest.mark.parametrize(
    ("line", "response", "ending"),
    [
        (b"HEAD /api HTTP/1.1", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"content-length: 9\r\n\r\n"),
        (b"GET /api HTTP/1.1", b"HTTP/1.1 204 No Content\r\n\r\n", DATE + b"\r\n"),
        (b"GET /api HTTP/1.1", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b"content-length: 9\r\n\r\n"),
        (
            b"GET /api HTTP/1.1",
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n",
            b"2\r\n\r\nab",
        ),
        (b"GET /api HTTP/1.1", b"HTTP/1.1 599 Odd\r\ncontent-length: 0\r\n\r\n", b"content-length: 0\r\n\r\n"),
    ],
)
def test_framing_of_responses(scene: Scene, line: bytes, response: bytes, ending: bytes) -> None:
    client, transport = scene.connect()
    client.data_received(line + b"\r\nHost: a\r\n\r\n")
    scene.service.send(response)
    assert transport.take().endswith(ending)
    assert client.idle
    assert not transport.closing


def test_response_that_ends_with_the_connection_is_chunked(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 200 OK\r\n\r\nab")
    scene.service.close()
    assert transport.take().endswith(b"transfer-encoding: chunked\r\n\r\n2\r\nab\r\n0\r\n\r\n")
    assert client.idle


def test_http_1_0_client(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"GET /api HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    scene.service.send(OK)
    assert b"connection: keep-alive\r\n" in transport.take()
    client.data_received(b"GET /api HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    scene.service.send(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nab\r\n")
    assert transport.take().endswith(b"connection: close\r\n\r\nab")
    scene.service.send(b"0\r\n\r\n")
    assert transport.closing


def test_pipelined_requests_are_answered_in_order(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET + b"GET /nowhere HTTP/1.1\r\nHost: a\r\n\r\n" + GET)
    assert scene.service.received().count(b"GET /") == 1
    assert transport.take() == b""
    scene.service.send(OK)
    scene.fair_queue.give_all()
    written = transport.take()
    assert written.index(b"200 OK") < written.index(b"404 Not Found")
    assert scene.service.received().count(b"GET /") == 1
    scene.service.send(OK)
    assert transport.take().endswith(b"ok")
    assert client.idle
    assert len(scene.upstreams.services) == 1


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ServiceUnavailable("no worker"), b"503 Service Unavailable\r\n"),
        (ConnectFailed("refused"), b"502 Bad Gateway\r\n"),
    ],
)
def test_service_that_cannot_be_reached(scene: Scene, error: Exception, status: bytes) -> None:
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    client.data_received(GET)
    scene.upstreams.fail(error)
    written = transport.take()
    assert written.startswith(b"HTTP/1.1 " + status)
    assert (b"retry-after: 1\r\n" in written) == isinstance(error, ServiceUnavailable)
    assert client.idle


def test_service_that_answers_nonsense_or_breaks_off(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"nonsense\r\n\r\n")
    assert transport.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\na")
    scene.service.close()
    assert transport.take().endswith(b"\r\n\r\na")
    assert transport.aborted


def test_request_over_a_connection_closed_meanwhile_is_sent_again_if_that_is_safe(scene: Scene) -> None:
    client, transport = scene.connect()
    for line, services in ((b"GET", 2), (b"POST", 2)):
        client.data_received(GET)
        scene.service.send(OK)
        transport.take()
        client.data_received(GET.replace(b"GET", line))
        scene.service.close()
        assert len(scene.upstreams.services) == services
        if line == b"GET":
            assert scene.service.received().startswith(b"GET /x?y=z")
            scene.service.send(OK)
            assert transport.take().endswith(b"ok")
    assert transport.take().startswith(b"HTTP/1.1 502 Bad Gateway\r\n")


def test_early_response_closes_both_connections(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na")
    service = scene.service
    service.send(b"HTTP/1.1 413 Too Large\r\ncontent-length: 0\r\n\r\n")
    assert b"connection: close\r\n" in transport.take()
    assert service.transport.closing
    assert client.state is LINGERING
    assert transport.ended
    client.data_received(b"b" * 99 + GET)
    assert len(scene.upstreams.services) == 1
    scene.pass_time(10)
    assert transport.aborted


def test_client_that_leaves_cancels_what_is_in_flight(scene: Scene) -> None:
    client, _ = scene.connect()
    client.data_received(GET)
    client.eof_received()
    assert scene.service.transport.aborted
    assert client.state is CLOSED
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    client.data_received(GET)
    assert len(scene.upstreams.dialing) == 1
    transport.close()
    assert scene.upstreams.dialing == []


def test_slow_sides_make_the_others_wait(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\na")
    service = scene.service
    service.connection.pause_writing()
    assert not transport.reading
    service.connection.resume_writing()
    assert transport.reading
    service.send(b"HTTP/1.1 200 OK\r\ncontent-length: 100\r\n\r\na")
    client.pause_writing()
    assert not service.transport.reading
    client.resume_writing()
    assert service.transport.reading


def test_body_waits_in_bounds_for_a_connection(scene: Scene) -> None:
    scene.upstreams.hold_dials = True
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: a\r\nContent-Length: 200000\r\n\r\n")
    client.data_received(b"a" * 50_000)
    assert transport.reading
    client.data_received(b"b" * 50_000)
    assert not transport.reading
    service = scene.upstreams.open()
    assert transport.reading
    assert service.received().endswith(b"a" * 50_000 + b"b" * 50_000)


def test_pipelining_client_has_to_wait(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    client.data_received(b"X" * 70_000)
    assert not transport.reading
    scene.service.send(OK)
    scene.fair_queue.give_all()
    assert transport.reading
    assert b"HTTP/1.1 400 Bad Request" in transport.take()


def test_error_names_the_worker(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET.replace(b"GET", b"POST"))
    scene.service.close()
    assert b"worker api/0/1 closed the connection" in transport.take()


@pytest.mark.parametrize("given", [b"/outer, /inner", b"/outer/inner"])
def test_prefixes_of_proxies_in_front_come_first(make_scene: Callable[..., Scene], given: bytes) -> None:
    scene = make_scene({"server": {"trustProxy": True}}, base_path="/base")
    client, transport = scene.connect()
    client.data_received(b"GET /base/api HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: %b\r\n\r\n" % given)
    assert b"x-forwarded-prefix: /outer/inner/base/api\r\n" in scene.service.received()
    scene.service.send(b"HTTP/1.1 302 Found\r\nlocation: /outer/inner/base/api/in\r\ncontent-length: 0\r\n\r\n")
    assert b"location: /outer/inner/base/api/in\r\n" in transport.take()


@pytest.mark.parametrize("given", [b"//evil", b"evil", b"/a b", b"/a?b", b'/"', b"https://evil"])
def test_a_prefix_that_is_no_path_is_not_told(make_scene: Callable[..., Scene], given: bytes) -> None:
    scene = make_scene({"server": {"trustProxy": True}})
    client, _ = scene.connect()
    client.data_received(b"GET /api HTTP/1.1\r\nHost: a\r\nX-Forwarded-Prefix: %b\r\n\r\n" % given)
    assert b"x-forwarded-prefix: /api\r\n" in scene.service.received()


@pytest.mark.parametrize(
    ("proxy", "host", "prefix"),
    [
        ({}, b"a:1", b"/api"),
        ({"passHostHeader": False}, b"api.plt.local", b"/api"),
        ({"upstream": "https://api.example"}, b"api.example", b"/api"),
        ({"upstream": "https://api.example", "passHostHeader": True}, b"a:1", b"/api"),
        ({"upstream": "http://127.0.0.1:9000"}, b"a:1", b"/api"),
        ({"prefix": "/"}, b"a:1", None),
        ({"prefix": "/a/api", "rewritePrefix": "/api"}, b"a:1", b"/a"),
        ({"prefix": "/api", "rewritePrefix": "/api"}, b"a:1", None),
        ({"prefix": "/api", "rewritePrefix": "/v1"}, b"a:1", None),
        ({"prefix": "/tapi", "rewritePrefix": "/api"}, b"a:1", None),
        ({"hostname": "a"}, b"a:1", None),
        ({"hostname": "a", "prefix": "/api"}, b"a:1", b"/api"),
    ],
)
def test_host_and_prefix_that_a_service_is_told(
    make_scene: Callable[..., Scene], proxy: dict[str, Any], host: bytes, prefix: bytes | None
) -> None:
    scene = make_scene({"gateway": {"applications": [{"id": "api", "proxy": proxy}]}})
    client, _ = scene.connect()
    path = proxy.get("prefix", "/" if "hostname" in proxy else "/api").encode()
    client.data_received(b"GET %b HTTP/1.1\r\nHost: a:1\r\nX-Forwarded-Prefix: /evil\r\n\r\n" % path)
    lines = scene.service.received().split(b"\r\n")
    assert lines[1] == b"host: " + host
    assert [line for line in lines if b"prefix" in line] == (
        [] if prefix is None else [b"x-forwarded-prefix: " + prefix]
    )
    assert b"x-forwarded-host: a:1" in lines


def test_addresses_that_a_service_gives_are_public(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(
        b"HTTP/1.1 200 OK\r\nContent-Location: http://API.plt.local:80/x\r\nRefresh: 5; url=/x\r\n"
        b'Link: </a>; rel=preload, <b>, <https://api.plt.local/c>; title="a"\r\n'
        b"Set-Cookie: a=b; Domain=api.plt.local; Path=/x; HttpOnly\r\nSet-Cookie: /x=/y\r\ncontent-length: 0\r\n\r\n"
    )
    assert transport.take() == (
        b"HTTP/1.1 200 OK\r\nContent-Location: /api/x\r\nRefresh: 5; url=/api/x\r\n"
        b'Link: </api/a>; rel=preload, <b>, </api/c>; title="a"\r\n'
        b"Set-Cookie: a=b; Path=/api/x; HttpOnly\r\nSet-Cookie: /x=/y\r\n" + DATE + b"content-length: 0\r\n\r\n"
    )


def test_addresses_stay_as_they_are_where_they_are_not_to_be_rewritten(make_scene: Callable[..., Scene]) -> None:
    applications = [{"id": "api", "proxy": {"rewriteLocationHeader": False}}]
    scene = make_scene({"gateway": {"applications": applications}})
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 302 Found\r\nlocation: /in\r\ncontent-length: 0\r\n\r\n")
    assert b"location: /in\r\n" in transport.take()


@pytest.mark.parametrize("method", [b"PROPFIND", b"PURGE", b"QUERY", b"SEARCH"])
def test_any_method_goes_to_the_service(scene: Scene, method: bytes) -> None:
    client, transport = scene.connect()
    client.data_received(method + b" /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert scene.service.received().startswith(method + b" /x HTTP/1.1\r\n")
    scene.service.send(OK)
    assert transport.take().startswith(b"HTTP/1.1 200 OK\r\n")
