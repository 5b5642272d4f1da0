"""The environ of WSGI requests, from scopes as the engines make them."""

from __future__ import annotations

import io
from typing import Any

import pytest

from pywatt.worker.wsgi.environ import environ_of


def environ(**scope: Any) -> dict[str, Any]:
    whole: dict[str, Any] = {
        "type": "http",
        "method": "GET",
        "http_version": "1.1",
        "scheme": "http",
        "server": ("10.0.0.1", 8000),
        "client": ("10.0.0.2", 1234),
        "root_path": "",
        "path": "/",
        "raw_path": b"/",
        "query_string": b"",
        "headers": [],
    }
    return environ_of(whole | scope, io.BytesIO())


def test_a_plain_request() -> None:
    made = environ(path="/a b", raw_path=b"/a%20b", query_string=b"x=%20", headers=[(b"host", b"x")])
    expected = {
        "REQUEST_METHOD": "GET",
        "SCRIPT_NAME": "",
        "PATH_INFO": "/a b",
        "QUERY_STRING": "x=%20",
        "REQUEST_URI": "/a%20b?x=%20",
        "RAW_URI": "/a%20b?x=%20",
        "SERVER_NAME": "10.0.0.1",
        "SERVER_PORT": "8000",
        "SERVER_PROTOCOL": "HTTP/1.1",
        "REMOTE_ADDR": "10.0.0.2",
        "REMOTE_PORT": "1234",
        "HTTP_HOST": "x",
        "wsgi.url_scheme": "http",
        "wsgi.version": (1, 0),
    }
    assert {key: made[key] for key in expected} == expected
    assert "CONTENT_LENGTH" not in made


@pytest.mark.parametrize(
    ("root_path", "path", "script_name", "path_info"),
    [
        ("/api", "/api/x", "/api", "/x"),
        ("/api/", "/api/x", "/api", "/x"),
        ("/api", "/api", "/api", ""),
        ("/api", "/apis", "/api", "/apis"),
        ("/api", "/x", "/api", "/x"),
        ("/é", "/é/ü", "/Ã©", "/Ã¼"),
        ("", "/ü", "", "/Ã¼"),
    ],
)
def test_the_prefix_is_cut_off(root_path: str, path: str, script_name: str, path_info: str) -> None:
    made = environ(root_path=root_path, path=path)
    assert (made["SCRIPT_NAME"], made["PATH_INFO"]) == (script_name, path_info)


def test_bytes_that_are_not_utf_8_stay() -> None:
    made = environ(root_path="/é", path="/é/\ufffd", raw_path=b"/%C3%A9/%FF")
    assert (made["SCRIPT_NAME"], made["PATH_INFO"]) == ("/Ã©", "/\xff")


@pytest.mark.parametrize(
    ("headers", "expected"),
    [
        ([(b"x-a", b"1"), (b"X-A", b"2")], {"HTTP_X_A": "1,2"}),
        ([(b"cookie", b"a=1"), (b"cookie", b"b=2")], {"HTTP_COOKIE": "a=1; b=2"}),
        ([(b"content-type", b"a/b"), (b"content-length", b"3")], {"CONTENT_TYPE": "a/b", "CONTENT_LENGTH": "3"}),
        ([(b"x_a", b"1"), (b"proxy", b"http://x"), (b"transfer-encoding", b"chunked")], {}),
        ([(b"content_length", b"1"), (b"x_forwarded-for", b"1")], {}),
        ([(b"x-a", b"\xe9")], {"HTTP_X_A": "\xe9"}),
    ],
)
def test_headers(headers: list[tuple[bytes, bytes]], expected: dict[str, str]) -> None:
    made = environ(headers=headers)
    assert {key: made[key] for key in made if key.startswith(("HTTP_", "CONTENT_"))} == expected


def test_without_addresses() -> None:
    made = environ(server=None, client=None, scheme="https")
    assert (made["SERVER_NAME"], made["SERVER_PORT"]) == ("localhost", "443")
    assert "REMOTE_ADDR" not in made
