"""Requests that a client may not make: in the name of others, past the routes, or by methods of proxies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pywatt.http.target import split_target

Scene = Any  # conftest's; importing it would load it twice

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok"
DATE = b"date: Thu, 01 Jan 1970 00:00:00 GMT\r\n"


@pytest.mark.parametrize(
    "name",
    [
        b"X-Forwarded-Ssl", b"X-Forwarded-Scheme", b"X-Forwarded-Client-Cert", b"X-FORWARDED-ANYTHING",
        b"CF-Connecting-IP", b"X-Client-IP", b"X-Original-URL", b"X-Rewrite-URL", b"X-Original-Host", b"Client-Cert",
        b"Front-End-Https", b"SSL-Client-Verify", b"X-SSL-Client-Cert", b"X-Auth-Request-User", b"X-Remote-User",
        b"X-Envoy-External-Address", b"X_Original_URL", b"X-Forwarded_For", b"X-Script-Name", b"X-Scheme",
        b"True-Client-IP",
    ],
)  # fmt: skip
def test_only_a_trusted_proxy_describes_a_client(make_scene: Callable[..., Scene], name: bytes) -> None:
    for trusted in (False, True):
        scene = make_scene({"server": {"trustProxy": trusted}})
        client, _ = scene.connect()
        client.data_received(b"GET /api HTTP/1.1\r\nHost: a\r\n%b: evil\r\n\r\n" % name)
        assert (b"evil" in scene.service.received()) is trusted


def test_the_answer_to_head_has_no_length_when_it_is_a_204(scene: Scene) -> None:
    client, transport = scene.connect()
    for method in (b"HEAD", b"GET"):
        client.data_received(method + b" /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
        scene.service.received()
        scene.service.send(b"HTTP/1.1 204 No Content\r\ncontent-length: 5\r\n\r\n")
        assert transport.take() == b"HTTP/1.1 204 No Content\r\n" + DATE + b"\r\n"


def test_a_method_that_is_not_served_names_those_that_are(scene: Scene) -> None:
    client, transport = scene.connect()
    client.data_received(b"TRACE /api/x HTTP/1.1\r\nHost: a\r\n\r\n")
    assert transport.take().startswith(b"HTTP/1.1 405 Method Not Allowed\r\n")
    assert scene.upstreams.destinations == []


@pytest.mark.parametrize("path", [b"/api/x%2fy", b"/api/..%2Fsecret", b"/api/..%5csecret", b"/api/a\\b"])
def test_encoded_slashes_are_rejected_by_default(make_scene: Callable[..., Scene], path: bytes) -> None:
    request = b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n"
    scene = make_scene()
    client, transport = scene.connect()
    client.data_received(request)
    assert transport.take().startswith(b"HTTP/1.1 400 ")
    assert scene.upstreams.destinations == []
    scene = make_scene({"server": {"escapedSlashes": "pass"}})
    scene.connect()[0].data_received(request)
    assert scene.service.received().startswith(b"GET /" + split_target(b"GET", path)[0].removeprefix(b"/api/"))


def test_decoded_slashes_count_for_routes_and_dot_segments(make_scene: Callable[..., Scene]) -> None:
    applications = [{"id": "api", "proxy": {"routes": ["/one/:id"]}}]
    scene = make_scene({"server": {"escapedSlashes": "decode"}, "gateway": {"applications": applications}})
    client, transport = scene.connect()
    client.data_received(b"GET /api/one%2f%2e%2e%2fone%5Cx HTTP/1.1\r\nHost: a\r\n\r\n")
    assert scene.service.received().startswith(b"GET /one/x HTTP/1.1\r\n")
    scene.service.send(OK)
    transport.take()
    for path in (b"/api/one/x%2fy", b"/api/one/..%2fsecret"):
        client.data_received(b"GET " + path + b" HTTP/1.1\r\nHost: a\r\n\r\n")
        assert transport.take().startswith(b"HTTP/1.1 404 ")
