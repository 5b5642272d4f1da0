"""httpbin behind the gateway and on its own server: answers differ only in the listed parts."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pytest
from harness.app import PATIENCE, RunningApp

pytest.importorskip("httpbin", reason="scripts/frameworks installs it")

PREFIX = "/httpbin"
OF_THE_CONNECTION = frozenset({"connection", "date", "keep-alive", "server", "transfer-encoding"})
"""Response headers that each server writes for its own connection, or in which it names itself."""
NOT_FOR_THE_SERVICE = "Connection"
"""Request header that ends at the next server: the gateway does not pass it on (RFC 9110 section 7.6.1)."""
TOLD_BY_THE_GATEWAY = frozenset(
    {"Traceparent", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Prefix", "X-Forwarded-Proto"}
)
"""Request headers that the service gets in addition; the trace context in development, where the dashboard shows it."""
ENDS_WITH_ITS_CONNECTION = frozenset({"content-length"})
"""httpbin gives these bodies no length: Werkzeug ends them by closing, pywatt in chunks."""
RANDOM = frozenset({"/uuid", "/bytes/16", "/stream-bytes/16"})
"""Random bodies; only their length is compared."""
NEW_EACH_TIME = frozenset({"etag", "last-modified"})
"""Headers of `/cache` that differ in each answer."""

GET = (
    "/",
    "/get?a=b&c=%20d",
    "/ip",
    "/user-agent",
    "/headers",
    "/anything",
    "/anything/else?x=1",
    "/html",
    "/json",
    "/xml",
    "/robots.txt",
    "/deny",
    "/gzip",
    "/deflate",
    "/encoding/utf8",
    "/base64/aGVsbG8%3D",
    "/cache",
    "/cache/60",
    "/etag/abc",
    "/response-headers?a=b&Location=/x",
    "/status/200",
    "/status/204",
    "/status/304",
    "/status/404",
    "/status/418",
    "/status/500",
    "/redirect/1",
    "/redirect/3",
    "/relative-redirect/2",
    "/absolute-redirect/2",
    "/redirect-to?url=/httpbin/get",
    "/redirect-to?url=/get",
    "/redirect-to?url=https://example.org/x",
    "/redirect-to?url=relative&status_code=307",
    "/cookies",
    "/cookies/set/a/b",
    "/cookies/set?c=d",
    "/cookies/delete?a=",
    "/basic-auth/user/pass",
    "/hidden-basic-auth/user/pass",
    "/bearer",
    "/image/png",
    "/image/svg",
    "/image/webp",
    "/image/jpeg",
    "/links/3/0",
    "/links/3",
    "/range/64",
    "/drip?numbytes=5&duration=0",
    "/stream/2",
    "/delay/0",
    "/forms/post",
    "/uuid",
    "/bytes/16",
    "/stream-bytes/16",
    "/spec.json",
    "/nowhere",
    "/static/favicon.ico",
)
REQUESTS: tuple[tuple[str, str, dict[str, Any]], ...] = (
    *(("GET", path, {}) for path in GET),
    ("GET", "/range/64", {"headers": {"range": "bytes=3-9"}}),
    ("GET", "/etag/abc", {"headers": {"if-none-match": "abc"}}),
    ("GET", "/cookies", {"headers": {"cookie": "a=b; c=d"}}),
    ("GET", "/basic-auth/user/pass", {"auth": ("user", "pass")}),
    ("GET", "/bearer", {"headers": {"authorization": "Bearer x"}}),
    ("GET", "/image", {"headers": {"accept": "image/png"}}),
    ("HEAD", "/get", {}),
    ("OPTIONS", "/get", {}),
    ("PROPFIND", "/get", {}),
    ("POST", "/get", {}),
    ("POST", "/post", {"json": {"a": 1}}),
    ("POST", "/post", {"data": {"a": "b"}}),
    (
        "POST",
        "/post",
        {"files": {"file": ("a.txt", b"text")}, "headers": {"content-type": "multipart/form-data; boundary=b"}},
    ),
    ("POST", "/anything", {"content": bytes(range(256)) * 300}),
    ("PUT", "/put", {"content": b"text"}),
    ("PATCH", "/patch", {"content": b"text"}),
    ("DELETE", "/delete", {}),
    ("POST", "/status/201", {}),
)


@pytest.fixture(scope="module")
def app(compose: Any) -> Iterator[RunningApp]:
    document = {"python": {"module": "httpbin:app"}, "server": {}}
    with compose({"httpbin": ("httpbin", document)}, {"httpbin": ({},)}) as running:
        yield running


@pytest.fixture(scope="module")
def direct() -> Iterator[str]:
    """httpbin on Werkzeug's own server."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        program = (
            "import httpbin, sys, werkzeug.serving as w; "
            "w.make_server('127.0.0.1', 0, httpbin.app, threaded=True, fd=int(sys.argv[1])).serve_forever()"
        )
        process = subprocess.Popen(
            [sys.executable, "-c", program, str(listener.fileno())],
            pass_fds=[listener.fileno()],
            stderr=subprocess.DEVNULL,
        )
        try:
            yield f"http://127.0.0.1:{listener.getsockname()[1]}"
        finally:
            process.kill()
            process.wait()


def shown(answer: httpx.Response, origin: str, prefix: str) -> dict[str, Any]:
    """Return the comparable part of an answer, without the server's own address."""

    def value_of(name: str, value: str) -> str:
        # Werkzeug lists methods in the order of a set, which is another one in each process.
        return ", ".join(sorted(value.split(", "))) if name == "allow" else neutral(value)

    def neutral(text: str) -> str:
        return text.replace(origin + prefix, "<here>").replace(origin.removeprefix("http://"), "<host>")

    path = answer.request.url.path.removeprefix(prefix)
    ignored = OF_THE_CONNECTION | ENDS_WITH_ITS_CONNECTION | (NEW_EACH_TIME if path == "/cache" else frozenset())
    headers = [
        (name.lower(), value_of(name.lower(), value))
        for name, value in answer.headers.multi_items()
        if name.lower() not in ignored
    ]
    body: Any = len(answer.content) if path in RANDOM else neutral(answer.text)
    if "json" in answer.headers.get("content-type", "") and isinstance(body, str) and body:
        lines = body.splitlines() if path.startswith("/stream") else [body]
        body = [without_what_is_told(json.loads(line)) for line in lines]
    return {"status": answer.status_code, "headers": sorted(headers), "body": body}


def without_what_is_told(document: Any) -> Any:
    if isinstance(document, dict) and isinstance(document.get("headers"), dict):
        headers = {
            name: value
            for name, value in document["headers"].items()
            if name not in TOLD_BY_THE_GATEWAY | {NOT_FOR_THE_SERVICE}
        }
        return {**document, "headers": headers}
    return document


def without_prefix(value: dict[str, Any]) -> Any:
    """Take the prefix off paths in headers and pages: httpbin writes it where it links to itself."""
    return json.loads(json.dumps(value).replace(f"{PREFIX}/", "/"))


@pytest.mark.parametrize(("method", "path", "options"), REQUESTS, ids=lambda value: str(value)[:40])
def test_answers_are_the_same(app: RunningApp, direct: str, method: str, path: str, options: dict[str, Any]) -> None:
    one = httpx.request(method, app.url + PREFIX + path, timeout=PATIENCE, **options)
    other = httpx.request(method, direct + path, timeout=PATIENCE, **options)
    behind, beside = shown(one, app.url, PREFIX), shown(other, direct, "")
    assert without_prefix(behind) == without_prefix(beside)


def test_a_location_never_has_the_prefix_twice(app: RunningApp) -> None:
    for path in ("/redirect/2", "/relative-redirect/1", "/redirect-to?url=/httpbin/get", "/redirect-to?url=/get"):
        location = httpx.get(app.url + PREFIX + path).headers["location"]
        assert location.count(PREFIX) == 1, (path, location)
        assert httpx.get(app.url + location, follow_redirects=True).status_code == 200
