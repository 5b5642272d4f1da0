"""Clients on raw sockets that are refused endlessly neither delay other clients nor grow a process."""

from __future__ import annotations

import base64
import hashlib
import uuid
from collections.abc import Iterator
from typing import Any

import jwt
import pytest
from harness.app import run_pywatt, write_files
from harness.apps import GATEWAY, gateway_and_api
from harness.attack import Attack, MemoryUsage, assert_others_are_served, median_latency, under
from harness.processes import MARKER, marked

API = """
async def app(scope, receive, send):
    if scope["type"] != "http":
        return
    await send({"type": "http.response.start", "status": 200, "headers": [(b"content-length", b"2")]})
    await send({"type": "http.response.body", "body": b"ok"})
"""
HOOKS = """
import asyncio


async def slow(request):
    await asyncio.sleep(60)
"""
SECRET = "a secret of at least 32 bytes, as it should be"
HASH = f"scrypt:4096:8:1$salt${hashlib.scrypt(b'secret', salt=b'salt', n=4096, r=8, p=1).hex()}"
POLICIES: dict[str, dict[str, Any]] = {
    "rated": {"rateLimit": {"max": 1, "timeWindow": 3_600_000}},
    "keyed": {"rateLimit": {"max": 1, "timeWindow": 3_600_000, "by": "header:x-key"}},
    "small": {"bodyLimit": 10},
    "user": {"auth": {"basic": {"users": {"ann": HASH}}}},
    "token": {"auth": {"jwt": {"secret": SECRET}}},
    "cors": {"cors": {"origin": "https://a.example"}},
    "few": {"concurrency": {"max": 1, "maxWaiting": 10}},
    "slow": {"custom": {"request": "hooks:slow", "timeout": 100}},
    "away": {"ipAccess": {"allow": ["10.0.0.1"]}},
}
OPEN = "GET /open/ HTTP/1.1\r\nHost: x\r\n\r\n"


def request(path: str, *headers: str, method: str = "GET") -> str:
    return f"{method} {path} HTTP/1.1\r\nHost: x\r\n" + "".join(f"{header}\r\n" for header in headers) + "\r\n"


def password(number: int) -> str:
    return "Authorization: Basic " + base64.b64encode(f"ann:{number}".encode()).decode()


def token(number: int) -> str:
    return "Authorization: Bearer " + jwt.encode({"sub": str(number), "exp": 4e9}, SECRET + "?", "HS256")


NUMBERS = range(500)
ATTACKS = {
    "a limit that is used up": Attack(again=request("/rated")),
    "many addresses": Attack(
        again="".join(request("/rated", f"X-Forwarded-For: 10.1.{n // 250}.{n % 250}") for n in NUMBERS)
    ),
    "many values of a header": Attack(again="".join(request("/keyed", f"X-Key: {n}") for n in NUMBERS)),
    "addresses that are none": Attack(
        again="".join(request("/away", f"X-Forwarded-For: {'z' * (n % 100)}") for n in NUMBERS)
    ),
    "wrong passwords": Attack(again="".join(request("/user", password(n)) for n in NUMBERS)),
    "wrong tokens": Attack(again="".join(request("/token", token(n)) for n in NUMBERS)),
    "tokens that are none": Attack(again=request("/token", "Authorization: Bearer " + "e30." * 1000)),
    "preflights": Attack(
        again=request(
            "/cors",
            "Origin: https://a.example",
            "Access-Control-Request-Method: PUT",
            "Access-Control-Request-Headers: " + ",".join(f"x-{n}" for n in range(200)),
            method="OPTIONS",
        )
    ),
    "an endless body": Attack(
        first=request("/small", "Transfer-Encoding: chunked", method="POST"), again="1\r\nx\r\n" * 100
    ),
    "large bodies": Attack(again=request("/small", "Content-Length: 100", method="POST") + "x" * 100),
    "more than may wait": Attack(again=request("/few")),
    "a slow function": Attack(again=request("/slow")),
    "a slow function and a body": Attack(
        first=request("/slow", "Transfer-Encoding: chunked", method="POST"), again="400\r\n" + "x" * 1024 + "\r\n"
    ),
    "answers that nobody reads": Attack(again=request("/rated"), reads=False),
}


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[int, str]]:
    files = gateway_and_api(API)
    entries = [
        {"id": "api", "proxy": {"prefix": f"/{name}", **policy}} for name, policy in {**POLICIES, "open": {}}.items()
    ]
    files["web/gateway/platformatic.json"] = {
        **GATEWAY,
        "server": {"trustProxy": True},
        "gateway": {"applications": entries},
    }
    files["web/gateway/hooks.py"] = HOOKS
    marker = uuid.uuid4().hex
    with run_pywatt(write_files(tmp_path_factory.mktemp("app"), files), env={MARKER: marker, "PORT": "0"}) as app:
        port = int(app.url.rstrip("/").rpartition(":")[2])
        median_latency(port, OPEN.encode())
        yield port, marker
        assert app.stop() == 0


@pytest.mark.parametrize("name", ATTACKS)
def test_nobody_else_feels(site: tuple[int, str], name: str) -> None:
    port, marker = site
    memory = MemoryUsage.of(marked(marker))
    with under(ATTACKS[name], port, 8):
        assert_others_are_served(port, OPEN.encode())
    memory.assert_bounded()
