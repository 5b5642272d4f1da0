"""Webhooks outside the app reach public addresses, and private ones only if allowed."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from pywatt.errors import ConnectFailed
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import MeshTable
from pywatt_services.kafka_hooks.webhooks.egress import (
    WebhookClient,
    WebhookClients,
    admit_meant,
    admit_none_private,
    is_public,
)
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions

NOTHING: dict[str, Any] = {"lines": b"", "body": b"", "timeout": 5.0}


@pytest.mark.parametrize("address", ["8.8.8.8", "2606:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"])
def test_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1",
        "255.255.255.255", "::1", "::", "fe80::1", "fe80::1%eth0", "fc00::1", "ff02::1", "::ffff:10.0.0.1",
        "64:ff9b::a00:1", "2002:a00:1::", "2001:db8::1",
    ],
)  # fmt: skip
def test_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "host", ["127.0.0.1", "::1", "logger", "localhost", "db.internal", "a.ns.svc", "Printer.local."]
)
def test_private_address_is_meant_where_the_host_says_so(host: str) -> None:
    admit_meant(host, "10.0.0.1")
    with pytest.raises(ConnectFailed, match="not a public address"):
        admit_none_private(host, "10.0.0.1")


@pytest.mark.parametrize("host", ["example.com", "10.0.0.1.example.com", "localhost.example.com"])
def test_name_of_the_internet_must_not_lead_inside(host: str) -> None:
    admit_meant(host, "8.8.8.8")
    with pytest.raises(ConnectFailed, match=f"{host} leads to 169.254.169.254"):
        admit_meant(host, "169.254.169.254")


@pytest.mark.anyio
async def test_address_is_checked_when_it_is_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = [["93.184.216.34"], ["127.0.0.1"]]
    tried: list[str] = []

    async def getaddrinfo(host: str, port: int, **_: Any) -> list[Any]:
        found = answers.pop(0)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port)) for address in found]

    async def create_connection(factory: Any, host: str, port: int, **_: Any) -> Any:
        tried.append(host)
        raise OSError("unreachable in a test")

    loop = asyncio.get_running_loop()
    async with MeshClient(MeshTable(0), admit=admit_meant) as client:
        monkeypatch.setattr(loop, "getaddrinfo", getaddrinfo)
        monkeypatch.setattr(loop, "create_connection", create_connection)
        with pytest.raises(ConnectFailed, match="unreachable in a test"):
            await client.request("GET", "http://example.com/")
        with pytest.raises(ConnectFailed, match=r"example\.com leads to 127\.0\.0\.1"):
            await client.request("GET", "http://example.com/")
    assert tried == ["93.184.216.34"]


@pytest.mark.anyio
async def test_client_for_each_entry() -> None:
    own = MeshClient(MeshTable(0))
    clients = WebhookClients(own)

    def client_of(url: str, allow: bool | None = None) -> WebhookClient:
        return clients.of(WebhookOptions(topic="t", url=url, allow_private=allow))

    assert client_of("http://api.plt.local/{record.key}") is own
    assert client_of("http://example.com/", True) is own
    guarded, strict = client_of("http://example.com/"), client_of("http://127.0.0.1:1/", False)
    assert guarded is client_of("https://other.example/{json.a}")
    assert len({id(own), id(guarded), id(strict)}) == 3
    async with clients:
        with pytest.raises(ConnectFailed, match="not a public address"):
            await strict.request("GET", "http://127.0.0.1:1/", **NOTHING)
        with pytest.raises(ConnectFailed, match="cannot connect"):
            await guarded.request("GET", "http://127.0.0.1:1/", **NOTHING)


@pytest.mark.anyio
@pytest.mark.parametrize("host", ["api.plt.local", "API.PLT.LOCAL", "api.plt.local:80", "api.plt.local."])
async def test_service_of_the_app_is_not_called_for_a_url_of_somebody_elses(host: str) -> None:
    own = MeshClient(MeshTable(0))
    clients = WebhookClients(own)
    client = clients.of(WebhookOptions(topic="t", url=f"http://{host}/x", allow_private=False))
    async with clients:
        assert client.begin("POST", f"http://{host}/x", lambda _: None, **NOTHING) is None
        with pytest.raises(ConnectFailed, match=r"(?i)api\.plt\.local\.? is a service of this app"):
            await client.request("POST", f"http://{host}/x", **NOTHING)
