"""The user's functions for requests and responses."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.errors import StartError
from pywatt.gateway import Headers
from pywatt_services.gateway.policies.custom import load_function
from pywatt_services.gateway.policies.route_policy import PolicyContext

pytestmark = pytest.mark.anyio
Scene = Any
MakeScene = Callable[..., Scene]

MODULE = """
import asyncio, time
from pywatt.gateway import Headers, Response

NOT_ONE = 1


async def check(request):
    if request.path == "/api/no":
        return Response(status=402, headers=Headers({"X-Why": request.client}), body="pay")
    request.headers["X-Seen"] = f"{request.method} {request.path} {request.query} {request.host}"
    request.headers.pop("x-secret", None)


def check_in_a_thread(request):
    return Response(status=418, body=b"tea")


async def raises(request):
    raise RuntimeError("broken")


async def leaves(request):
    raise SystemExit(3)


async def cancels(request):
    raise asyncio.CancelledError


async def never(request):
    await asyncio.Event().wait()


def blocks(request):
    while not released:
        time.sleep(0.01)


released = []


async def nonsense(request):
    return {"status": 200}


async def splits(request):
    request.headers["a"] = "b\\r\\nc: d"


async def change(request, response):
    await asyncio.sleep(0)
    response.headers["X-Changed"] = f"{response.status} {request.path}"
    if "set-cookie" in response.headers:
        response.headers.add("X-Cookies", str(len(response.headers.all("Set-Cookie"))))
    response.status = 203


async def replace(request, response):
    return Response(status=200, body="mine")


async def breaks(request, response):
    raise KeyError("x")


async def bodiless(request, response):
    response.status = 204


async def hangs(request, response):
    await asyncio.Event().wait()
"""


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture
def folder(tmp_path: Path) -> Iterator[Path]:
    (tmp_path / "users_policies.py").write_text(MODULE)
    path = list(sys.path)
    yield tmp_path
    sys.path[:] = path
    sys.modules.pop("users_policies", None)


def with_functions(make_scene: MakeScene, folder: Path, **custom: Any) -> Scene:
    custom = {key: f"users_policies:{value}" if isinstance(value, str) else value for key, value in custom.items()}
    entry = {"id": "api", "proxy": {"custom": custom}}
    return make_scene({"gateway": {"applications": [entry]}}, policies=PolicyContext(folder=folder))


async def settle(before: set[asyncio.Task[Any]]) -> None:
    """Wait for what was begun since then."""
    while new := asyncio.all_tasks() - before:
        await asyncio.wait(new)
    await asyncio.sleep(0)


async def send(scene: Scene, path: str = "/api", head: str = "") -> Any:
    before = asyncio.all_tasks()
    client, transport = scene.connect()
    client.data_received(f"GET {path} HTTP/1.1\r\nHost: x\r\n{head}\r\n".encode())
    await settle(before)
    return transport


async def respond(scene: Scene, response: bytes) -> None:
    before = asyncio.all_tasks()
    scene.service.send(response)
    await settle(before)


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nSet-Cookie: a\r\nset-cookie: b\r\n\r\nok"


async def test_a_request_can_be_changed(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, request="check")
    await send(scene, "/api/%61?q=1", "X-Secret: 1\r\nA: \xe9\r\n")
    received = scene.service.received()
    assert b"X-Seen: GET /api/a q=1 x\r\n" in received
    assert "A: é\r\n".encode() in received
    assert b"Secret" not in received


@pytest.mark.parametrize(
    ("function", "path", "answer"),
    [("check", "/api/no", b"HTTP/1.1 402 "), ("check_in_a_thread", "/api", b"HTTP/1.1 418 ")],
)
async def test_a_request_can_be_answered(
    make_scene: MakeScene, folder: Path, function: str, path: str, answer: bytes
) -> None:
    scene = with_functions(make_scene, folder, request=function)
    transport = await send(scene, path)
    response = transport.take()
    assert response.startswith(answer)
    assert response.endswith((b"\r\n\r\npay", b"\r\n\r\ntea"))
    assert not transport.closing
    assert not scene.upstreams.services


@pytest.mark.parametrize("function", ["raises", "leaves", "cancels", "never", "blocks", "nonsense", "splits"])
async def test_a_function_that_fails_refuses_its_request_alone(
    make_scene: MakeScene, folder: Path, function: str
) -> None:
    scene = with_functions(make_scene, folder, request=function, timeout=50)
    try:
        response = (await send(scene)).take()
    finally:
        sys.modules["users_policies"].released.append(True)
    assert response.startswith(b"HTTP/1.1 500 ")
    assert b"broken" not in response
    assert not scene.upstreams.services


async def test_a_response_can_be_changed(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, response="change")
    transport = await send(scene)
    assert scene.service.received()
    await respond(scene, OK)
    response = transport.take()
    assert response.startswith(b"HTTP/1.1 203 ")
    assert b"X-Changed: 200 /api\r\n" in response
    assert b"X-Cookies: 2\r\n" in response
    assert response.lower().count(b"set-cookie") == 2
    assert response.endswith(b"\r\n\r\nok")


async def test_what_follows_the_head_waits(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, response="change")
    transport = await send(scene)
    service = scene.service
    before = asyncio.all_tasks()
    service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")
    service.send(b"bc")
    assert transport.written == b""
    assert not service.transport.reading
    await settle(before)
    assert service.transport.reading
    assert transport.take().endswith(b"\r\n\r\nabc")
    service.send(b"d")
    assert transport.take() == b"d"
    assert not transport.closing
    await send(scene)
    assert len(scene.upstreams.services) == 1


async def test_a_response_can_be_replaced(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, response="replace")
    transport = await send(scene)
    await respond(scene, OK)
    assert transport.take().endswith(b"\r\n\r\nmine")


@pytest.mark.parametrize("function", ["breaks", "bodiless", "hangs"])
async def test_a_function_that_fails_on_a_response_is_a_502(make_scene: MakeScene, folder: Path, function: str) -> None:
    scene = with_functions(make_scene, folder, response=function, timeout=50)
    transport = await send(scene)
    await respond(scene, OK)
    assert transport.take().startswith(b"HTTP/1.1 502 ")
    assert not transport.closing


async def test_a_connection_that_serves_another_client_is_left_alone(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, response="hangs")
    transport = await send(scene)
    scene.service.received()
    scene.service.send(OK)
    # The response is whole: its connection is free again while the function still looks at the head.
    other = await send(scene)
    assert len(scene.upstreams.services) == 1
    assert scene.service.received().startswith(b"GET / ")
    transport.close()
    assert not scene.service.transport.closing
    other.close()


async def test_a_service_that_breaks_off_meanwhile(make_scene: MakeScene, folder: Path) -> None:
    scene = with_functions(make_scene, folder, response="change")
    transport = await send(scene)
    before = asyncio.all_tasks()
    scene.service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\na")
    scene.service.close()
    await settle(before)
    assert transport.aborted


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ("users_policies:nothing", "has no attribute"),
        ("users_policies:NOT_ONE", "is no function"),
        ("no_such_module:f", "there is no module 'no_such_module'"),
    ],
)
def test_a_function_that_is_not_there(folder: Path, target: str, message: str) -> None:
    with pytest.raises(StartError, match=message):
        load_function(target, folder)


names = st.sampled_from(["a", "A", "b", "Set-Cookie"])


@given(st.lists(st.tuples(names, st.text("xyz", max_size=3))), names, st.text("xyz", max_size=3))
def test_headers_behave_like_a_mapping_of_any_case(fields: list[tuple[str, str]], name: str, value: str) -> None:
    headers = Headers(fields)
    assert len(headers) == len(list(headers)) == len({name.lower() for name, _ in fields})
    assert (name in headers) is any(each.lower() == name.lower() for each, _ in fields)
    headers[name] = value
    assert headers[name.upper()] == value
    headers.add(name, "z")
    assert headers.all(name) == [value, "z"]
    del headers[name]
    assert name not in headers
    assert Headers.decoded(headers.encoded()).encoded() == headers.encoded()
