"""Policies decide on each stream of HTTP/2, and a refused stream leaves the others alone."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import Any

import pytest
from harness.certificates import Authority
from harness.http2_client import Http2Client, http2_client

from pywatt.config.model import ServerConfig
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions

pytestmark = pytest.mark.anyio
KEY = ("x-api-key", "key")
PROXY = {
    "prefix": "/api",
    "auth": {"apiKeys": {"shop": "key"}},
    "bodyLimit": 1000,
    "securityHeaders": True,
    "cors": {"origin": "https://app.example"},
    "headers": {"request": {"set": {"X-User": "{claim.sub}", "X-Proto": "{request.proto}"}}},
}


def server(authority: Authority) -> ServerConfig:
    cert, key = (Pem(key="server.https", text=file.read_bytes(), path=file) for file in authority.issue("server"))
    return ServerConfig(http2=True, https=TlsOptions(certificates=(CertifiedKey(cert=cert, key=key),)))


async def test_policies_decide_on_each_stream(app: Any, service: Any, make_table: Any, tmp_path: Path) -> None:
    authority = Authority(tmp_path)

    def act(client: Http2Client) -> None:
        refused = [client.request("GET", f"/api/{number}") for number in range(20)]
        admitted = client.request("GET", "/api/hello", KEY, ("x-user", "root"), ("x_user", "root"))
        for stream in refused:
            response = client.response(stream)
            assert response.status == 401
            assert json.loads(response.body)["statusCode"] == 401
            assert response.headers["www-authenticate"] == 'ApiKey header="x-api-key"'
        response = client.response(admitted)
        assert response.status == 200
        assert response.headers["strict-transport-security"] == "max-age=31536000"
        headers = json.loads(response.body)["headers"]
        assert (headers["x-user"], headers["x-proto"]) == ("shop", "https")
        assert "root" not in str(headers)
        # Bodies: announced, counted, and of a stream that was refused for another reason.
        for fields in ([KEY, ("content-length", "100000")], [KEY]):
            assert client.response(client.request("POST", "/api/echo", *fields, body=b"x" * 100_000)).status == 413
        assert client.response(client.request("POST", "/api/echo", body=b"x" * 900)).status == 401
        response = client.response(client.request("POST", "/api/echo", KEY, body=b"x" * 1000))
        assert (response.status, json.loads(response.body)["size"]) == (200, 1000)
        rated = [client.request("GET", "/rated/x") for _ in range(5)]
        assert sorted(client.response(stream).status for stream in rated) == [200, 200, 200, 429, 429]
        asked = (("origin", "https://app.example"), ("access-control-request-method", "PUT"))
        preflight = client.response(client.request("OPTIONS", "/api/x", *asked))
        assert (preflight.status, preflight.headers["access-control-allow-origin"]) == (204, "https://app.example")
        assert not client.goaways

    rated = {"prefix": "/rated", "rateLimit": {"max": 3, "timeWindow": 3_600_000}}
    document = {"gateway": {"applications": [{"id": "api", "proxy": PROXY}, {"id": "api", "proxy": rated}]}}
    async with service("api") as (path, _), app.gateway(make_table(1, path), document, server=server(authority)):

        def run() -> None:
            with http2_client(app.port, str(authority.file)) as client:
                act(client)

        await asyncio.to_thread(run)
