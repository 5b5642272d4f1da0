"""Policies of a real gateway with two workers, on raw sockets: what is refused never reaches the service."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from harness.app import PATIENCE, run_pywatt, write_files
from harness.apps import GATEWAY, gateway_and_api
from jwt.algorithms import ECAlgorithm

API = """
import json
from collections import Counter
from pathlib import Path

DOCUMENTS = json.loads(Path("documents.json").read_text())
seen = Counter()


async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        return
    path = scope["path"]
    if path == "/seen":
        body = json.dumps(seen).encode()
    elif path in DOCUMENTS:
        body = DOCUMENTS[path].encode()
    else:
        seen[path] += 1
        body = json.dumps({name.decode(): value.decode() for name, value in scope["headers"]}).encode()
    if scope["type"] == "websocket":
        await receive()
        await send({"type": "websocket.accept"})
        message = await receive()
        await send({"type": "websocket.send", "text": message["text"].upper()})
        return
    while scope["method"] == "POST" and (await receive()).get("more_body"):
        pass
    if path == "/open/events":
        await send({"type": "http.response.start", "status": 200, "headers": [(b"content-type", b"text/event-stream")]})
        await send({"type": "http.response.body", "body": b"data: first\\n\\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"%d" % len(body))]})
    await send({"type": "http.response.body", "body": body})
"""
HOOKS = """
from pywatt.gateway import Response


async def check(request):
    if "x-user" in request.headers:
        request.headers["X-Checked"] = request.client
        return None
    return Response(status=402, body="pay")


def change(request, response):
    response.headers["X-Path"] = request.path


def fail(request):
    raise SystemExit(1)
"""
HANDSHAKE = (
    "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
    "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
)
KEY = ec.generate_private_key(ec.SECP256R1())
SITE = "https://app.example"
POLICIES: dict[str, dict[str, Any]] = {
    "away": {"ipAccess": {"deny": ["127.0.0.0/8"]}},
    "small": {"bodyLimit": 0},
    "guarded": {
        "auth": {"apiKeys": {"shop": "key"}},
        "headers": {"request": {"set": {"X-User": "{claim.sub}"}, "remove": ["X-Api-Key"]}},
    },
    "token": {
        "auth": {"jwt": {"oidc": "http://api.plt.local", "audience": "shop"}},
        "headers": {"request": {"set": {"X-User": "{claim.sub}"}}},
    },
    "paid": {"custom": {"request": "hooks:check", "response": "hooks:change"}},
    "broken": {"custom": {"request": "hooks:fail"}},
    "spent": {"rateLimit": {"max": 1, "timeWindow": 3_600_000, "by": "route"}},
    "rated": {"rateLimit": {"max": 20, "timeWindow": 3_600_000}},
    "open": {
        "headers": {"request": {"set": {"X-Client": "{client.ip}"}}, "response": {"set": {"X-Via": "pywatt"}}},
        "cors": {"origin": SITE, "credentials": True},
        "securityHeaders": True,
        "concurrency": {"max": 100},
    },
    "one": {"concurrency": {"max": 1, "maxWaiting": 0}},
}
REFUSED = {"away": 403, "small": 413, "spent": 429, "guarded": 401, "token": 401, "paid": 402, "broken": 500}
"""Statuses of routes that refuse what is sent to them."""


class Client:
    """A connection whose bytes are seen one by one."""

    def __init__(self, port: int) -> None:
        self.socket = socket.create_connection(("127.0.0.1", port), PATIENCE)
        self._buffer = b""

    def send(self, text: str) -> None:
        self.socket.sendall(text.encode())

    def until(self, mark: bytes) -> bytes:
        while mark not in self._buffer:
            data = self.socket.recv(65536)
            assert data, self._buffer
            self._buffer += data
        found, _, self._buffer = self._buffer.partition(mark)
        return found

    def response(self, *, to_head: bool = False) -> tuple[int, dict[str, str], bytes]:
        line, *fields = self.until(b"\r\n\r\n").decode().split("\r\n")
        headers = {name.lower(): value for name, value in (field.split(": ", 1) for field in fields)}
        length = 0 if to_head else int(headers.get("content-length", 0))
        while len(self._buffer) < length:
            data = self.socket.recv(65536)
            assert data, self._buffer
            self._buffer += data
        body, self._buffer = self._buffer[:length], self._buffer[length:]
        return int(line.split()[1]), headers, body

    def ended(self) -> bool:
        """Wait for the end of the connection; tell whether nothing came before it."""
        return self._buffer == b"" and self.socket.recv(1) == b""


@pytest.fixture(scope="module")
def port(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    entries = [
        {"id": "api", "proxy": {"prefix": f"/{name}", "rewritePrefix": f"/{name}", **policy}}
        for name, policy in POLICIES.items()
    ]
    files = gateway_and_api(API)
    files["web/gateway/platformatic.json"] = {
        **GATEWAY,
        "gateway": {"applications": [*entries, {"id": "api", "proxy": {"prefix": "/"}}]},
    }
    files["web/gateway/hooks.py"] = HOOKS
    keys = {"keys": [ECAlgorithm.to_jwk(KEY.public_key(), as_dict=True)]}
    metadata = {"issuer": "http://api.plt.local", "jwks_uri": "http://api.plt.local/keys"}
    documents = {"/keys": json.dumps(keys), "/.well-known/openid-configuration": json.dumps(metadata)}
    files["web/api/documents.json"] = json.dumps(documents)
    root = files["watt.json"]
    assert isinstance(root, dict)
    for service in root["web"]:
        service["workers"] = 2 if service["id"] == "gateway" else 1
    with run_pywatt(write_files(tmp_path_factory.mktemp("app"), files), env={"PORT": "0"}) as app:
        found = int(app.url.rstrip("/").rpartition(":")[2])
        with connected(found) as client:
            client.send("GET /spent HTTP/1.1\r\nHost: x\r\n\r\n")
            assert client.response()[0] == 200
        yield found
        assert app.stop() == 0


@contextmanager
def connected(port: int) -> Iterator[Client]:
    client = Client(port)
    with client.socket:
        yield client


def seen(port: int) -> dict[str, int]:
    with connected(port) as client:
        client.send("GET /seen HTTP/1.1\r\nHost: x\r\n\r\n")
        found: dict[str, int] = json.loads(client.response()[2])
        return found


REQUESTS = {
    "get": "GET {path} HTTP/1.1\r\nHost: x\r\n\r\n",
    "head": "HEAD {path} HTTP/1.1\r\nHost: x\r\n\r\n",
    "http 1.0": "GET {path} HTTP/1.0\r\nHost: x\r\nConnection: keep-alive\r\n\r\n",
    "websocket": "GET {path} HTTP/1.1\r\nHost: x\r\n" + HANDSHAKE + "\r\n",
    "events": "GET {path} HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n",
    "whole body": "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc",
    "chunked body": "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n",
    "part of a body": "POST {path} HTTP/1.1\r\nHost: x\r\nContent-Length: 300\r\n\r\nabc",
    "part of a chunked body": "POST {path} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
    "expectation": "POST {path} HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 3\r\n\r\n",
}
NEXT = "GET /away/next HTTP/1.1\r\nHost: x\r\n\r\n"


WITH_BODY = ("whole body", "chunked body", "part of a body", "part of a chunked body", "expectation")


@pytest.mark.parametrize(
    ("route", "kind"),
    [(route, kind) for route in REFUSED for kind in (WITH_BODY if route == "small" else REQUESTS)],
)
def test_a_refused_request_leaves_the_connection_in_step(port: int, route: str, kind: str) -> None:
    path = f"/{route}/{kind.replace(' ', '-')}"
    with connected(port) as client:
        client.send(REQUESTS[kind].replace("{path}", path))
        status, headers, body = client.response(to_head=kind == "head")
        assert status == REFUSED[route]
        assert kind == "head" or body == b"pay" or json.loads(body)["statusCode"] == status
        if headers.get("connection") == "close":
            # The rest of the body may not be taken for a request.
            assert kind in ("part of a body", "part of a chunked body", "expectation")
            assert client.ended()
        else:
            client.send(NEXT)
            assert client.response()[0] == 403
    assert path not in seen(port)


def test_requests_behind_a_refused_one_are_answered_in_order(port: int) -> None:
    with connected(port) as client:
        body = "POST /small/a HTTP/1.1\r\nHost: x\r\nContent-Length: 3\r\n\r\nabc"
        client.send(body + "GET /open/a HTTP/1.1\r\nHost: x\r\n\r\n" + NEXT)
        assert [client.response()[0] for _ in range(3)] == [413, 200, 403]


def test_workers_share_the_rate(port: int) -> None:
    statuses = []
    for _ in range(30):
        with connected(port) as client:
            client.send("GET /rated HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
            status, headers, _ = client.response()
            statuses.append(status)
            assert (status == 429) is ("retry-after" in headers)
    assert statuses == [200] * 20 + [429] * 10
    assert seen(port)["/rated"] == 20


def test_an_admitted_request_has_its_headers(port: int) -> None:
    with connected(port) as client:
        client.send(f"GET /open HTTP/1.1\r\nHost: x\r\nX-Client: forged\r\nOrigin: {SITE}\r\n\r\n")
        status, headers, body = client.response()
    assert status == 200
    assert json.loads(body)["x-client"] == "127.0.0.1"
    assert headers["x-via"] == "pywatt"
    assert headers["access-control-allow-origin"] == SITE
    assert headers["x-content-type-options"] == "nosniff"


def test_a_client_with_credentials_is_admitted(port: int) -> None:
    with connected(port) as client:
        client.send("GET /guarded HTTP/1.1\r\nHost: x\r\nX-Api-Key: key\r\nX_User: root\r\nX-User: root\r\n\r\n")
        status, _, body = client.response()
    assert status == 200
    headers = json.loads(body)
    assert headers["x-user"] == "shop"
    assert "x-api-key" not in headers
    assert "root" not in str(headers)


def test_a_token_of_an_issuer_is_accepted(port: int) -> None:
    claims = {"sub": "ann", "iss": "http://api.plt.local", "aud": "shop", "exp": 4e9}
    with connected(port) as client:
        for key, status in ((KEY, 200), (ec.generate_private_key(ec.SECP256R1()), 401)):
            token = jwt.encode(claims, key, "ES256")
            client.send(f"GET /token/ok HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {token}\r\n\r\n")
            found, _, body = client.response()
            assert found == status
            assert found == 401 or json.loads(body)["x-user"] == "ann"


def test_functions_see_requests_and_responses(port: int) -> None:
    with connected(port) as client:
        for _ in range(2):
            client.send("POST /paid HTTP/1.1\r\nHost: x\r\nX-User: ann\r\nContent-Length: 3\r\n\r\nabc")
            status, headers, body = client.response()
            assert status == 200
            assert json.loads(body)["x-checked"] == "127.0.0.1"
            assert headers["x-path"] == "/paid"


def test_a_websocket_passes(port: int) -> None:
    with connected(port) as client:
        client.send(REQUESTS["websocket"].replace("{path}", "/open/socket"))
        status, headers, _ = client.response()
        assert status == 101
        assert headers["x-via"] == "pywatt"
        client.socket.sendall(b"\x81\x82\x00\x00\x00\x00hi")
        assert client.until(b"HI") == b"\x81\x02"


def test_events_pass_while_they_come(port: int) -> None:
    with connected(port) as client:
        client.send("GET /open/events HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"X-Via: pywatt\r\n" in client.until(b"data: first")


def test_a_preflight_is_not_passed_on(port: int) -> None:
    with connected(port) as client:
        client.send(
            "OPTIONS /open/preflight HTTP/1.1\r\nHost: x\r\n"
            f"Origin: {SITE}\r\nAccess-Control-Request-Method: PUT\r\n\r\n" + NEXT
        )
        status, headers, _ = client.response()
        assert status == 204
        assert headers["access-control-allow-origin"] == SITE
        assert client.response()[0] == 403
    assert "/open/preflight" not in seen(port)


@pytest.mark.parametrize(
    "path",
    [
        "//away/x",
        "/./away/x",
        "/open/../away/x",
        "/%61way/x",
        "/a%77ay/x",
        "/open/%2e%2e/away/x",
        "/open/..%2faway/x",
        "/open/..%5caway/x",
        "/open/..\\away/x",
        "/away%2fx",
        "/.%2faway/x",
        "http://x/away/x",
        "http://x//away/x",
    ],
)
def test_no_spelling_of_a_path_gets_round_a_policy(port: int, path: str) -> None:
    before = seen(port)
    with connected(port) as client:
        client.send(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n")
        assert client.response()[0] in (400, 403)
    assert seen(port) == before
