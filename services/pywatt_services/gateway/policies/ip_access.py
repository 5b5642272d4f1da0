"""Admits clients by their IP addresses: lists of addresses and networks."""

from __future__ import annotations

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeAlias

from pywatt.errors import Problem
from pywatt_services.gateway.policies.verdict import PolicyRequest, Verdict, refusal

Network: TypeAlias = "ipaddress.IPv4Network | ipaddress.IPv6Network"
Address: TypeAlias = "ipaddress.IPv4Address | ipaddress.IPv6Address"

FORBIDDEN = refusal(403, "your address is not admitted here")
KNOWN_ADDRESSES = 4096
"""Addresses whose result is kept."""


@dataclass(frozen=True, slots=True)
class IpAccess:
    """Addresses and networks, such as `10.0.0.0/8` or `2001:db8::1`."""

    allow: tuple[str, ...] = ()
    """Empty: every client that `deny` does not name."""
    deny: tuple[str, ...] = ()
    """Refused also when `allow` names it."""


def read_ip_access(document: Mapping[str, Any], where: str) -> tuple[IpAccess, list[Problem]]:
    """Read the lists."""
    problems: list[Problem] = []
    for name in ("allow", "deny"):
        for index, text in enumerate(document.get(name, ())):
            try:
                ipaddress.ip_network(text)
            except ValueError as error:
                hint = 'such as "192.0.2.7", "10.0.0.0/8" or "2001:db8::/32"'
                problems.append(Problem(message=f"{error}", key=f"{where}.{name}[{index}]", hint=hint))
    return IpAccess(tuple(document.get("allow", ())), tuple(document.get("deny", ()))), problems


def parse_ip(text: bytes) -> Address | None:
    """Return the address in a text, which may have a port, brackets or a zone; None when there is none.

    An IPv4 address in its IPv6 form is one of IPv4.
    """
    value = text.decode("latin-1").strip()
    if value.startswith("["):
        value = value[1:].partition("]")[0]
    elif value.count(":") == 1:
        value = value.partition(":")[0]
    try:
        address = ipaddress.ip_address(value.partition("%")[0])
    except ValueError:
        return None
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return mapped or address


class IpCheck:
    """Refuses clients by the lists."""

    def __init__(self, options: IpAccess) -> None:
        allow, deny = _networks(options.allow), _networks(options.deny)

        @lru_cache(maxsize=KNOWN_ADDRESSES)
        def admits(text: bytes) -> bool:
            address = parse_ip(text)
            if address is None:
                return False
            return not _within(address, deny) and (not allow or _within(address, allow))

        self.admits = admits
        """Tells whether an address is admitted; a text that is none is not."""

    def check(self, request: PolicyRequest) -> Verdict:
        """Return the refusal of a client that is not admitted."""
        return None if self.admits(request.ip) else FORBIDDEN


def _networks(texts: Sequence[str]) -> tuple[Network, ...]:
    return tuple(_unmapped(ipaddress.ip_network(text)) for text in texts)


def _unmapped(network: Network) -> Network:
    """Return the IPv4 form of a network of IPv4 addresses that is written as one of IPv6."""
    if isinstance(network, ipaddress.IPv6Network) and network.prefixlen >= 96:
        mapped = network.network_address.ipv4_mapped
        if mapped is not None:
            return ipaddress.IPv4Network((mapped, network.prefixlen - 96))
    return network


def _within(address: Address, networks: Sequence[Network]) -> bool:
    return any(address in network for network in networks)
