"""The dashboard admits only its own page, with the token."""

from __future__ import annotations

from typing import Any

import pytest
from quart import Quart

from pywatt.config.dashboard_model import DashboardConfig
from pywatt_services.dashboard.guard import Guard

TOKEN = "a-token-of-24-characters"
INGEST_TOKEN = "the-token-of-services"
PORT = 4000
HEADERS = {"Host": f"127.0.0.1:{PORT}", "Authorization": f"Bearer {TOKEN}"}


def application(**config: Any) -> Quart:
    app = Quart(__name__)
    Guard(DashboardConfig(token=TOKEN, **config), PORT, INGEST_TOKEN).protect(app)

    @app.get("/")
    async def page() -> str:
        return "page"

    @app.route("/api/v1/thing", methods=["GET", "POST", "DELETE"])
    async def thing() -> str:
        return "thing"

    return app


async def status(path: str, headers: dict[str, str], method: str = "GET", **config: Any) -> int:
    client = application(**config).test_client()
    call = {"GET": client.get, "POST": client.post, "DELETE": client.delete}[method]
    response = await call(path, headers=headers)
    return response.status_code


async def test_the_page_needs_no_token_and_is_hardened() -> None:
    response = await application().test_client().get("/", headers={"Host": HEADERS["Host"]})
    assert response.status_code == 200
    policy = response.headers["Content-Security-Policy"]
    assert "default-src 'none'" in policy
    assert "unsafe" not in policy
    assert response.headers["X-Content-Type-Options"] == "nosniff"
    assert response.headers["X-Frame-Options"] == "DENY"
    assert response.headers["Referrer-Policy"] == "no-referrer"


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({}, 200),
        ({"Authorization": ""}, 401),
        ({"Authorization": f"Bearer {TOKEN}x"}, 401),
        ({"Authorization": TOKEN}, 401),
        ({"Authorization": "Bearer ü"}, 401),
        ({"Authorization": "", "Cookie": f"token={TOKEN}"}, 401),
        ({"Host": "localhost:4000"}, 200),
        ({"Host": "[::1]:4000"}, 200),
        ({"Host": "192.168.1.5:4000"}, 200),
        ({"Host": "evil.example:4000"}, 421),
        ({"Host": "127.0.0.1.evil.example"}, 421),
        ({"Origin": "http://127.0.0.1:4000"}, 200),
        ({"Origin": "http://127.0.0.1:4001"}, 403),
        ({"Origin": "https://evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
    ],
)
async def test_requests_are_admitted_by_token_host_and_origin(changes: dict[str, str], expected: int) -> None:
    assert await status("/api/v1/thing", {**HEADERS, **changes}) == expected
    assert await status("/api/v1/thing", {**HEADERS, **changes}, "POST") == expected


async def test_the_token_of_services_opens_nothing_else() -> None:
    ingest = {**HEADERS, "Authorization": f"Bearer {INGEST_TOKEN}"}
    assert await status("/api/v1/thing", ingest) == 401
    assert await status("/v1/traces", ingest, "POST") == 404  # admitted; this application has no such route
    assert await status("/v1/traces", HEADERS, "POST") == 401
    assert await status("/v1/traces", ingest, "POST", read_only=True) == 404


async def test_the_page_has_only_its_own_host_names() -> None:
    assert await status("/", {"Host": "evil.example"}) == 421


async def test_further_names_are_those_of_the_configuration() -> None:
    headers = {**HEADERS, "Host": "watch.example.com"}
    assert await status("/api/v1/thing", headers) == 421
    assert await status("/api/v1/thing", headers, allowed_hosts=("Watch.Example.com",)) == 200
    assert await status("/api/v1/thing", headers, hostname="watch.example.com") == 200


@pytest.mark.parametrize(("method", "expected"), [("GET", 200), ("POST", 403), ("DELETE", 403)])
async def test_read_only_changes_nothing(method: str, expected: int) -> None:
    assert await status("/api/v1/thing", HEADERS, method, read_only=True) == expected


async def test_secrets_are_for_the_command_line() -> None:
    assert await status("/api/v1/thing?secrets=true", HEADERS) == 403


async def test_an_unknown_path_of_the_api_is_refused_first() -> None:
    assert await status("/api/v1/unknown", {"Host": HEADERS["Host"]}) == 401


@pytest.mark.parametrize("host", ["", "[::1", ":4000", "user@evil.example", "127.0.0.1@evil.example", "0x7f.1", "a b"])
def test_a_malformed_host_is_none(host: str) -> None:
    guard = Guard(DashboardConfig(token=TOKEN), PORT, INGEST_TOKEN)
    refusal = guard.refusal("GET", "/", {"Host": host}, {})
    assert refusal is not None
    assert refusal.status == 421
