"""Clients that are admitted by their addresses."""

from __future__ import annotations

import ipaddress
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.service_type import OptionsError
from pywatt_services.gateway.policies.ip_access import IpAccess, IpCheck, parse_ip

Scene = Any
GET = b"GET /api HTTP/1.1\r\nHost: x\r\n%b\r\n"


def admits(address: str, *, allow: tuple[str, ...] = (), deny: tuple[str, ...] = ()) -> bool:
    return IpCheck(IpAccess(allow, deny)).admits(address.encode())


@pytest.mark.parametrize(
    ("address", "allow", "deny", "admitted"),
    [
        ("10.1.2.3", ("10.0.0.0/8",), (), True),
        ("11.1.2.3", ("10.0.0.0/8",), (), False),
        ("10.1.2.3", (), ("10.0.0.0/8",), False),
        ("11.1.2.3", (), ("10.0.0.0/8",), True),
        ("10.1.2.3", ("10.0.0.0/8",), ("10.1.2.3",), False),
        ("::ffff:10.1.2.3", ("10.0.0.0/8",), (), True),
        ("10.1.2.3", ("::ffff:10.0.0.0/104",), (), True),
        ("10.1.2.3", ("::/0",), (), False),
        ("2001:DB8::7", ("2001:db8::/32",), (), True),
        ("fe80::1%eth0", ("fe80::/10",), (), True),
        ("[2001:db8::7]:443", ("2001:db8::/32",), (), True),
        ("10.1.2.3:5000", ("10.0.0.0/8",), (), True),
        ("unknown", (), ("10.0.0.0/8",), False),
        ("010.1.2.3", (), ("10.0.0.0/8",), False),
        ("", ("0.0.0.0/0",), (), False),
    ],
)
def test_lists(address: str, allow: tuple[str, ...], deny: tuple[str, ...], admitted: bool) -> None:
    assert admits(address, allow=allow, deny=deny) is admitted


addresses = st.one_of(st.ip_addresses(v=4), st.ip_addresses(v=6))


@given(addresses, st.integers(0, 128), addresses)
def test_a_network_admits_what_it_contains(address: Any, prefix: int, other: Any) -> None:
    network = ipaddress.ip_network((address, min(prefix, address.max_prefixlen)), strict=False)
    if getattr(address, "ipv4_mapped", None) is None:
        assert admits(str(address), allow=(str(network),))
    if other.version == network.version and getattr(other, "ipv4_mapped", None) is None:
        assert admits(str(other), allow=(str(network),)) is (other in network)
        assert admits(str(other), deny=(str(network),)) is (other not in network)


@given(st.binary(max_size=60))
def test_no_text_breaks_the_parser(text: bytes) -> None:
    found = parse_ip(text)
    assert found is None or parse_ip(str(found).encode()) == found


def test_a_refused_client_does_not_reach_the_service(make_scene: Callable[..., Scene]) -> None:
    policy = {"id": "api", "proxy": {"ipAccess": {"allow": ["192.0.2.0/24"]}}}
    scene = make_scene({"gateway": {"applications": [policy]}})
    client, transport = scene.connect("198.51.100.1")
    client.data_received(GET % b"X-Forwarded-For: 192.0.2.1\r\n")
    assert transport.take().startswith(b"HTTP/1.1 403 Forbidden\r\n")
    assert not scene.upstreams.services
    assert not transport.closing
    admitted, _ = scene.connect("192.0.2.1")
    admitted.data_received(GET % b"")
    assert scene.service.received()


def test_behind_a_proxy_the_address_is_the_one_that_the_proxy_saw(make_scene: Callable[..., Scene]) -> None:
    policy = {"id": "api", "proxy": {"ipAccess": {"deny": ["192.0.2.66"]}}}
    scene = make_scene({"server": {"trustProxy": True}, "gateway": {"applications": [policy]}})
    client, transport = scene.connect("198.51.100.1")
    client.data_received(GET % b"X-Forwarded-For: 192.0.2.1, 192.0.2.66\r\n")
    assert transport.take().startswith(b"HTTP/1.1 403 ")
    client.data_received(GET % b"X-Forwarded-For: 192.0.2.66, 192.0.2.1\r\n")
    assert scene.service.received()


def test_a_wrong_network_is_a_problem_of_the_config(make_scene: Callable[..., Scene]) -> None:
    policy = {"id": "api", "proxy": {"ipAccess": {"allow": ["10.0.0.1/8"]}}}
    with pytest.raises(OptionsError, match="has host bits set") as caught:
        make_scene({"gateway": {"applications": [policy]}})
    assert caught.value.problems[0].key == "gateway.applications[0].proxy.ipAccess.allow[0]"
