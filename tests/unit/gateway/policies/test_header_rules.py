"""Headers that a route sets and removes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.http.headers import has_bad_value
from pywatt.http.request import RequestHead
from pywatt.service_type import OptionsError
from pywatt_services.gateway.client_address import ClientAddress
from pywatt_services.gateway.policies.header_rules import HeaderChanges, HeaderRules
from pywatt_services.gateway.policies.verdict import policy_request

Scene = Any

GET = b"GET /api/items HTTP/1.1\r\nHost: x\r\nX-Powered-By: me\r\nCookie: a=b\r\n\r\n"


def document(headers: Any, defaults: Any = None) -> dict[str, Any]:
    proxy = {"prefix": "/api", "headers": headers}
    return {"gateway": {"defaults": defaults or {}, "applications": [{"id": "api", "proxy": proxy}]}}


def head(*headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(b"GET", b"/", b"/", b"", b"x", list(headers), 1, 0, False, True)


def test_the_service_gets_the_changed_headers(make_scene: Callable[..., Scene]) -> None:
    headers = {"request": {"set": {"X-Client": "{client.ip} of {request.host}"}, "remove": ["cookie", "x-powered-by"]}}
    scene = make_scene(document(headers))
    client, _ = scene.connect()
    client.data_received(GET)
    received = scene.service.received()
    assert b"X-Client: 192.0.2.7 of x\r\n" in received
    assert b"Cookie" not in received
    assert b"X-Powered-By" not in received
    client.data_received(b"")


def test_the_client_gets_the_changed_headers(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(document({"response": {"set": {"Server": "ours"}, "remove": ["x-secret"]}}))
    client, transport = scene.connect()
    client.data_received(GET)
    scene.service.send(b"HTTP/1.1 200 OK\r\nServer: theirs\r\nX-Secret: 1\r\nContent-Length: 2\r\n\r\nok")
    response = transport.take()
    assert response.endswith(b"\r\n\r\nok")
    assert b"Server: ours\r\n" in response
    assert b"theirs" not in response
    assert b"X-Secret" not in response


def test_an_error_of_the_gateway_gets_them_too(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(document({"response": {"set": {"Server": "ours"}}}))
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\n\r\n")
    scene.service.close()
    response = transport.take()
    assert response.startswith(b"HTTP/1.1 502 ")
    assert b"Server: ours\r\n" in response


def test_requests_of_one_connection_keep_their_own_values(make_scene: Callable[..., Scene]) -> None:
    """The reader hands out one list for equal blocks of headers."""
    scene = make_scene(document({"request": {"set": {"X-Seen": "{request.path}"}}}))
    client, _ = scene.connect()
    for path in (b"/api/1", b"/api/2"):
        client.data_received(b"GET %b HTTP/1.1\r\nHost: x\r\nA: b\r\n\r\n" % path)
        received = scene.service.received()
        assert received.count(b"X-Seen") == 1
        assert b"X-Seen: %b\r\n" % path in received
        scene.service.send(b"HTTP/1.1 204 No Content\r\n\r\n")


def test_an_entry_replaces_the_default_or_switches_it_off(make_scene: Callable[..., Scene]) -> None:
    default = {"response": {"set": {"server": "default"}}}
    for headers, expected in ((default, True), (False, False), ({"request": {"remove": ["a"]}}, False)):
        scene = make_scene(document(headers, {"headers": default}))
        client, transport = scene.connect()
        client.data_received(GET)
        scene.service.send(b"HTTP/1.1 204 No Content\r\n\r\n")
        assert (b"server: default" in transport.take()) is expected


def test_a_route_without_policies_has_the_plain_exchange(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene(document(False))
    assert not scene.server.own_exchanges


@pytest.mark.parametrize("name", ["host", "Content-Length", "transfer-encoding", "Sec-WebSocket-Accept", "connection"])
def test_headers_of_the_connection_are_the_gateways(make_scene: Callable[..., Scene], name: str) -> None:
    for rules in ({"set": {name: "x"}}, {"remove": [name]}):
        with pytest.raises(OptionsError, match="the gateway itself writes"):
            make_scene(document({"request": rules}))


def test_an_unknown_placeholder_is_a_problem_of_the_config(make_scene: Callable[..., Scene]) -> None:
    with pytest.raises(OptionsError, match=r"\{client.name\} is not known") as caught:
        make_scene(document({"request": {"set": {"a": "{client.name}"}}}))
    assert caught.value.problems[0].key == "gateway.applications[0].proxy.headers.request.set.a"


def test_text_in_other_braces_stays() -> None:
    changes = HeaderChanges(HeaderRules(set=(("nel", '{"a": {"b": 1}}'),)))
    request = policy_request(head(), ClientAddress(b"192.0.2.1", False))
    assert changes.apply(request, []) == [(b"nel", b'{"a": {"b": 1}}')]


@given(st.binary(max_size=50), st.binary(max_size=50))
def test_no_value_breaks_out_of_its_line(authority: bytes, value: bytes) -> None:
    changes = HeaderChanges(HeaderRules(set=(("a", "of {request.host}{request.header.b}"),)))
    request_head = head((b"B", value))
    request_head.authority = authority
    headers = changes.apply(policy_request(request_head, ClientAddress(b"192.0.2.1", False)), [])
    assert bool(headers) is bool(authority or value)
    assert not has_bad_value(filled for _, filled in headers)


def test_the_address_behind_a_trusted_proxy_is_the_one_that_it_has_added() -> None:
    forwarded = head((b"X-Forwarded-For", b"198.51.100.1, 203.0.113.9"))
    assert policy_request(forwarded, ClientAddress(b"192.0.2.1", True)).ip == b"203.0.113.9"
    assert policy_request(forwarded, ClientAddress(b"192.0.2.1", False)).ip == b"192.0.2.1"
    assert policy_request(head(), ClientAddress(b"", True)).ip == b"127.0.0.1"


def test_a_header_without_a_value_is_not_set() -> None:
    changes = HeaderChanges(HeaderRules(set=(("a", "{request.header.b}"), ("c", "{request.header.b}; d"), ("e", ""))))
    request = policy_request(head(), ClientAddress(b"192.0.2.1", False))
    assert changes.apply(request, [(b"A", b"forged")]) == [(b"e", b"")]
