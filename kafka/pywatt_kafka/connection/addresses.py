"""Parses broker addresses of a config into `host:port` strings."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager

from pywatt_kafka.errors import KafkaError

BROKERS_VARIABLE = "KAFKA_BROKERS"
EMBEDDED = "embedded"
"""Stands for the broker that pywatt starts itself, whose address it sets as `KAFKA_BROKERS`."""

EMBEDDED_VARIABLE = "PYWATT_EMBEDDED_BROKER"
"""The address of the embedded broker, in apps that have one."""

DEFAULT_PORT = 9092
LAST_PORT = 65535
_ADDRESS = re.compile(r"(?P<host>[A-Za-z0-9._-]+|\[[0-9A-Fa-f:.%a-z]+\])(?::(?P<port>[0-9]{1,9}))?")


def brokers_from(value: str | Sequence[str] | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the broker addresses of a config value.

    Each string may hold several addresses, separated by commas; the default port is 9092. `embedded` and None stand for
    the variable `KAFKA_BROKERS`. Raises KafkaError when there is no address.
    """
    given = [value] if isinstance(value, str) else list(value or ())
    addresses: list[str] = []
    for address in _split(given) or [EMBEDDED]:
        found = _split([environ.get(BROKERS_VARIABLE, "")]) if address == EMBEDDED else [address]
        addresses += [with_port(item) for item in found if item != EMBEDDED]
    if not addresses and environ.get(BROKERS_VARIABLE, "").strip() == EMBEDDED:
        raise KafkaError(
            f"{BROKERS_VARIABLE} is {EMBEDDED!r}, but no embedded broker is running: only `pywatt start` starts one",
            hint=f"run this as a service of an app, or set {BROKERS_VARIABLE}=host:9092",
        )
    if not addresses:
        raise KafkaError(
            f"no Kafka broker is given: the config names none and {BROKERS_VARIABLE} is not set",
            hint=f"set {BROKERS_VARIABLE}=host:9092, or `brokers` in the config (in code: `bootstrap_brokers`)",
        )
    return tuple(dict.fromkeys(addresses))


def _split(values: Iterable[str]) -> list[str]:
    return [part for value in values for part in (piece.strip() for piece in value.split(",")) if part]


def with_port(address: str) -> str:
    """Return a broker's address with its port. Raises KafkaError."""
    scheme, separator, rest = address.partition("://")
    if separator:
        raise KafkaError(
            f"{address!r} is not a broker's address: it begins with {scheme}://",
            hint=f"write {rest.strip('/') or 'host:port'}; how the brokers are spoken to is said by security",
        )
    match = _ADDRESS.fullmatch(address)
    if match is None:
        raise KafkaError(f"{address!r} is not a broker's address", hint="write host:port, such as localhost:9092")
    port = match["port"]
    if port is not None and not 1 <= int(port) <= LAST_PORT:
        raise KafkaError(
            f"{address!r} is not a broker's address: there is no port {port}", hint=f"ports are 1 to {LAST_PORT}"
        )
    return address if port is not None else f"{address}:{DEFAULT_PORT}"


_embedded_here: set[str] = set()
"""Addresses of the embedded brokers in this process."""


@contextmanager
def embedded_at(address: str) -> Iterator[None]:
    """Let `is_embedded` know of an embedded broker in this process."""
    _embedded_here.add(address)
    try:
        yield
    finally:
        _embedded_here.discard(address)


def is_embedded(brokers: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Return whether these brokers are the embedded broker of this app, or one in this process."""
    address = ",".join(brokers)
    return environ.get(EMBEDDED_VARIABLE) == address or address in _embedded_here
