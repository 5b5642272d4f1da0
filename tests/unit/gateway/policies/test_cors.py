"""Cross-origin resource sharing: what the Fetch standard asks a server for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.service_type import OptionsError
from pywatt_services.gateway.policies.cors import Cors, CorsPolicy, with_vary

Scene = Any
APP = "https://app.example"
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n%b\r\nok"


def scene_with(make_scene: Callable[..., Scene], cors: Any, *more: dict[str, Any], **proxy: Any) -> Scene:
    entry = {"id": "api", "proxy": {"prefix": "/api", "cors": cors, **proxy}}
    return make_scene({"gateway": {"applications": [entry, *more]}})


def preflight(origin: str = APP, method: str = "PUT", headers: str = "X-One,x-two", path: str = "/api") -> bytes:
    asked = f"Access-Control-Request-Headers: {headers}\r\n" if headers else ""
    return (
        f"OPTIONS {path} HTTP/1.1\r\nHost: x\r\nOrigin: {origin}\r\nAccess-Control-Request-Method: {method}\r\n"
        f"{asked}\r\n"
    ).encode()


def get(origin: str | None = APP, method: str = "GET") -> bytes:
    line = "" if origin is None else f"Origin: {origin}\r\n"
    return f"{method} /api HTTP/1.1\r\nHost: x\r\n{line}\r\n".encode()


def parsed(response: bytes) -> dict[str, str]:
    """Return a response's headers by lower-case name; a doubled one fails."""
    lines = response.partition(b"\r\n\r\n")[0].decode().split("\r\n")[1:]
    names = [line.partition(":")[0].lower() for line in lines]
    assert len(names) == len(set(names)), lines
    return {name: line.partition(":")[2].strip() for name, line in zip(names, lines, strict=True)}


def answered(scene: Scene, request: bytes) -> dict[str, str]:
    """Send a preflight; return the answer's headers. The service gets nothing."""
    client, transport = scene.connect()
    client.data_received(request)
    response = transport.take()
    assert response.startswith(b"HTTP/1.1 204 "), response
    assert not scene.upstreams.services
    return parsed(response)


def passed(scene: Scene, request: bytes, headers: bytes = b"") -> dict[str, str]:
    """Send a request that the service answers; return the response's headers."""
    client, transport = scene.connect()
    client.data_received(request)
    scene.service.send(OK % headers)
    return parsed(transport.take())


def test_a_preflight_is_answered_by_the_gateway(make_scene: Callable[..., Scene]) -> None:
    headers = answered(scene_with(make_scene, True), preflight())
    assert headers["access-control-allow-origin"] == "*"
    assert headers["access-control-allow-methods"] == "GET, HEAD, PUT, PATCH, POST, DELETE"
    assert headers["access-control-allow-headers"] == "x-one, x-two"
    assert headers["vary"] == "Origin, Access-Control-Request-Method, Access-Control-Request-Headers"
    assert "access-control-allow-credentials" not in headers
    assert "content-length" not in headers


def test_credentials_need_the_exact_origin(make_scene: Callable[..., Scene]) -> None:
    cors = {
        "origin": [APP, "https://*.shop.example"],
        "credentials": True,
        "maxAge": 600,
        "methods": "GET, put",
        "allowedHeaders": ["X-One"],
        "exposedHeaders": ["X-Total", "ETag"],
    }
    scene = scene_with(make_scene, cors)
    headers = answered(scene, preflight("https://a.shop.example"))
    assert headers["access-control-allow-origin"] == "https://a.shop.example"
    assert headers["access-control-allow-credentials"] == "true"
    assert headers["access-control-allow-methods"] == "GET, PUT"
    assert headers["access-control-allow-headers"] == "X-One"
    assert headers["access-control-max-age"] == "600"
    assert "access-control-expose-headers" not in headers
    response = passed(scene, get())
    assert response["access-control-allow-origin"] == APP
    assert response["access-control-allow-credentials"] == "true"
    assert response["access-control-expose-headers"] == "X-Total, ETag"
    assert response["vary"] == "Origin"


@pytest.mark.parametrize(
    "origin",
    [
        "https://evil.example",
        "http://app.example",
        "https://app.example.evil.example",
        "https://app.example:444",
        "https://shop.example",
        "https://evil.example/.shop.example",
        "https://evil.example:1.shop.example",
        "https://x@a.shop.example",
        "null",
        "x" * 400 + ".shop.example",
    ],
)
def test_another_origin_is_told_nothing(make_scene: Callable[..., Scene], origin: str) -> None:
    scene = scene_with(make_scene, {"origin": [APP, "https://*.shop.example"], "credentials": True})
    headers = answered(scene, preflight(origin))
    assert not [name for name in headers if name.startswith("access-control-")]
    response = passed(scene, get(origin), b"Access-Control-Allow-Origin: *\r\n")
    assert not [name for name in response if name.startswith("access-control-")]
    assert response["vary"] == "Origin"


def test_the_service_s_own_answer_is_not_doubled(make_scene: Callable[..., Scene]) -> None:
    own = b"Access-Control-Allow-Origin: https://other.example\r\nVary: Accept-Encoding\r\n"
    response = passed(scene_with(make_scene, {"origin": APP}), get(), own)
    assert response["access-control-allow-origin"] == APP
    assert response["vary"] == "Accept-Encoding, Origin"


def test_a_request_without_an_origin_varies_too(make_scene: Callable[..., Scene]) -> None:
    response = passed(scene_with(make_scene, {"origin": APP}), get(None))
    assert response["vary"] == "Origin"
    assert "access-control-allow-origin" not in response
    assert "vary" not in passed(scene_with(make_scene, True), get(None))


def test_the_gateway_s_own_errors_can_be_read_by_the_page(make_scene: Callable[..., Scene]) -> None:
    scene = scene_with(make_scene, {"origin": APP}, bodyLimit=1)
    client, transport = scene.connect()
    client.data_received(b"POST /api HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\nContent-Length: 2\r\n\r\nab")
    response = transport.take()
    assert response.startswith(b"HTTP/1.1 413 ")
    assert parsed(response)["access-control-allow-origin"] == APP


def test_a_plain_options_request_reaches_the_service(make_scene: Callable[..., Scene]) -> None:
    scene = scene_with(make_scene, True)
    client, transport = scene.connect()
    client.data_received(b"OPTIONS /api HTTP/1.1\r\nHost: x\r\nOrigin: https://app.example\r\n\r\n")
    assert scene.service.received().startswith(b"OPTIONS / ")
    scene.service.send(OK % b"Allow: GET\r\n")
    assert parsed(transport.take())["access-control-allow-origin"] == "*"


def test_the_route_of_the_following_request_answers(make_scene: Callable[..., Scene]) -> None:
    write = {"id": "api", "proxy": {"prefix": "/api", "methods": ["PUT"], "cors": {"origin": "https://b.example"}}}
    scene = scene_with(make_scene, {"origin": APP}, write, methods=["GET"])
    assert answered(scene, preflight(method="GET"))["access-control-allow-origin"] == APP
    assert "access-control-allow-origin" not in answered(scene, preflight(method="PUT"))
    client, transport = scene.connect()
    client.data_received(preflight(method="DELETE"))
    assert transport.take().startswith(b"HTTP/1.1 404 ")


def test_a_preflight_of_a_route_without_the_policy_is_the_service_s(make_scene: Callable[..., Scene]) -> None:
    hooks = {"id": "kafka-hooks", "proxy": {"prefix": "/hooks"}}
    scene = scene_with(make_scene, True, hooks)
    client, _ = scene.connect()
    client.data_received(preflight(path="/hooks/x"))
    assert scene.service.received().startswith(b"OPTIONS /x ")


def test_the_original_s_key_is_the_default(make_scene: Callable[..., Scene]) -> None:
    scene = make_scene({"server": {"cors": {"origin": [{"regexp": r"https://[a-z]+\.example"}]}}})
    assert answered(scene, preflight())["access-control-allow-origin"] == APP
    assert "access-control-allow-origin" not in answered(scene, preflight("https://1.example"))


def test_true_names_the_origin_for_credentials() -> None:
    policy = CorsPolicy(Cors(credentials=True))
    assert policy.allows(APP.encode())
    assert not policy.allows(b"null")
    assert CorsPolicy(Cors()).allows(b"null")


@pytest.mark.parametrize(
    ("cors", "message", "key"),
    [
        ({"credentials": True}, "would let every page", "origin"),
        ({"origin": "app.example"}, "is not an origin", "origin"),
        ({"origin": "https://a.example/path"}, "is not an origin", "origin"),
        ({"origin": {"regexp": "("}}, "not a regular expression", "origin"),
        ({"origin": {"regexp": "https://(a+)+"}}, "search for very long", "origin"),
        ({"methods": ["A B"]}, "is not a name", "methods"),
        ({"origin": APP, "credentials": True, "exposedHeaders": "*"}, "is the name of a header", "exposedHeaders"),
    ],
)
def test_problems(make_scene: Callable[..., Scene], cors: Any, message: str, key: str) -> None:
    with pytest.raises(OptionsError, match=message) as caught:
        scene_with(make_scene, cors)
    assert caught.value.problems[0].key == f"gateway.applications[0].proxy.cors.{key}"


names = st.sampled_from([b"Origin", b"origin", b"Accept", b"accept-encoding", b"*"])


@given(st.lists(st.lists(names, min_size=1).map(b", ".join), max_size=3), st.lists(names, min_size=1))
def test_vary_keeps_what_it_has_and_gets_what_it_lacks(present: list[bytes], wanted: list[bytes]) -> None:
    result = with_vary([(b"Vary", value) for value in present] + [(b"a", b"b")], b", ".join(wanted))
    listed = [part.strip().lower() for name, value in result if name.lower() == b"vary" for part in value.split(b",")]
    assert (b"a", b"b") in result
    before = {part.strip().lower() for value in present for part in value.split(b",")}
    assert before <= set(listed)
    assert b"*" in before or {name.lower() for name in wanted} <= set(listed)
