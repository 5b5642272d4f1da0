"""Headers for the safety of pages in browsers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pywatt.service_type import OptionsError

Scene = Any


def response(make_scene: Callable[..., Scene], policy: Any, own: bytes = b"", *, https: bool = False) -> bytes:
    entry = {"id": "api", "proxy": {"securityHeaders": policy}}
    scene = make_scene({"server": {"trustProxy": True}, "gateway": {"applications": [entry]}})
    client, transport = scene.connect()
    proto = b"X-Forwarded-Proto: https\r\n" if https else b""
    client.data_received(b"GET /api HTTP/1.1\r\nHost: x\r\n" + proto + b"\r\n")
    scene.service.send(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n" + own + b"\r\n")
    written = transport.take()
    assert isinstance(written, bytes)
    return written


def test_sane_defaults(make_scene: Callable[..., Scene]) -> None:
    headers = response(make_scene, True)
    assert b"x-content-type-options: nosniff\r\n" in headers
    assert b"x-frame-options: SAMEORIGIN\r\n" in headers
    assert b"referrer-policy: strict-origin-when-cross-origin\r\n" in headers
    assert b"strict-transport-security" not in headers
    assert b"strict-transport-security: max-age=31536000\r\n" in response(make_scene, True, https=True)


def test_values_replace_them_or_add_to_them(make_scene: Callable[..., Scene]) -> None:
    policy = {"X-Frame-Options": "DENY", "Referrer-Policy": False, "Content-Security-Policy": "default-src 'self'"}
    headers = response(make_scene, policy)
    assert b"x-frame-options: DENY\r\n" in headers
    assert b"referrer-policy" not in headers
    assert b"content-security-policy: default-src 'self'\r\n" in headers


def test_the_service_s_own_value_stays(make_scene: Callable[..., Scene]) -> None:
    headers = response(make_scene, True, b"X-FRAME-OPTIONS: DENY\r\n")
    assert b"X-FRAME-OPTIONS: DENY\r\n" in headers
    assert b"SAMEORIGIN" not in headers


def test_a_value_that_breaks_its_line_is_a_problem(make_scene: Callable[..., Scene]) -> None:
    with pytest.raises(OptionsError, match="control characters"):
        response(make_scene, {"x-frame-options": "a\r\nb: c"})
