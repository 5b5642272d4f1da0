"""No spelling of a path reaches a guarded route of a service through an unguarded one."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import unquote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

Scene = Any
MakeScene = Callable[..., Scene]
PARTS = (
    "/", "//", "private", "Private", "%70rivate", "pr%69vate", "open", "x", ".", "..", "%2e", "%2E%2e", ".%2e", "%2f",
    "%2F", "%5c", "%5C", "\\", ";", ";x=1", "?", "%3f", "#", "%23", "%00", "%252f", "%25", "http://x", ":", "@", "*",
)  # fmt: skip


def received(make_scene: MakeScene, path: str, slashes: str) -> str | None:
    """Send a request without credentials; return the path that the service gets, None when it gets none."""
    guarded = {"prefix": "/private", "rewritePrefix": "/private", "auth": {"apiKeys": ["key"]}}
    entries = [{"id": "api", "proxy": {"prefix": "/"}}, {"id": "api", "proxy": guarded}]
    document: dict[str, Any] = {"server": {"escapedSlashes": slashes}, "gateway": {"applications": entries}}
    scene = make_scene(document)
    client, _ = scene.connect()
    client.data_received(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
    if not scene.upstreams.services:
        return None
    line: bytes = scene.service.received().split(b"\r\n")[0]
    return line.split(b" ")[1].decode()


def as_read(path: str) -> str:
    """Return a path as a lenient service reads it: decoded once, with single slashes, without dot segments."""
    decoded = unquote(path.partition("?")[0]).replace("\\", "/")
    return posixpath.normpath(re.sub("/+", "/", decoded))


@pytest.mark.parametrize("slashes", ["reject", "decode"])
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.lists(st.sampled_from(PARTS), max_size=8).map(lambda parts: "/" + "".join(parts)))
@example("/open/..%2fprivate")
@example("//private")
@example("/%2e%2e/private")
@example("/open/..\\private")
@example("http://x//private")
def test_the_guarded_route_is_not_reached(make_scene: MakeScene, slashes: str, path: str) -> None:
    found = received(make_scene, path, slashes)
    if found is not None:
        assert as_read(found).split("/")[1:2] != ["private"]


def test_the_guarded_path_itself_is_refused(make_scene: MakeScene) -> None:
    assert received(make_scene, "/private/x", "reject") is None
    assert received(make_scene, "/open/x", "reject") == "/open/x"
