"""Which cluster a command means, and how it is reached: what it was given, the environment, the app of its folder.

The library stands alone and knows no apps. Who does registers a function that tells how the services of a folder's app
reach Kafka, under the entry-point group `pywatt_kafka.apps`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import TypeAlias

from pywatt_kafka.connection.addresses import BROKERS_VARIABLE, EMBEDDED, brokers_from
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.security.environment import PROTOCOL, security_from
from pywatt_kafka.security.options import NONE, Security

ENTRY_POINT_GROUP = "pywatt_kafka.apps"
PREFIX = "KAFKA_"
"""How the names of the variables begin that say how Kafka is reached."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """How one service of an app reaches Kafka."""

    service: str = ""
    """Its id."""
    bridge: bool = False
    """Whether Kafka is what the service is about; the others may use it, or not."""
    brokers: tuple[str, ...] = ()
    """As its config says; none: the variable does."""
    security: Security | None = None
    """None: the variables say."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """Those of its environment that begin with PREFIX."""
    dead_letters: frozenset[str] = frozenset()
    """The topics that it has for dead letters."""

    def addresses(self) -> tuple[str, ...]:
        """Return the brokers' addresses. Raises KafkaError when there are none."""
        return brokers_from(self.brokers or None, self.variables)


Finder: TypeAlias = Callable[[Path, Mapping[str, str]], Sequence[Reach]]
"""Takes a folder and an environment, returns how the app's services reach Kafka. Raises KafkaError."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that is meant."""

    brokers: tuple[str, ...]
    security: Security
    note: str = ""
    """What the user should know of the choice."""
    dead_letters: frozenset[str] = frozenset()
    """The topics that the app of the folder has for dead letters."""


def reaches_of(folder: Path, environ: Mapping[str, str]) -> Sequence[Reach]:
    """Return how the services of the app reach Kafka that is in this folder, or in one above. Raises KafkaError."""
    finders: Iterable[Finder] = (entry.load() for entry in entry_points(group=ENTRY_POINT_GROUP))
    return [reach for find in finders for reach in find(folder, environ)]


def named(reaches: Sequence[Reach], service: str) -> Reach:
    """Return how the service with that id reaches Kafka. Raises KafkaError."""
    for reach in reaches:
        if reach.service == service:
            return reach
    known = ", ".join(reach.service for reach in reaches)
    raise KafkaError(f"there is no service {service} here", hint=f"these are: {known}" if known else "no app is here")


def meant(reaches: Sequence[Reach], brokers: Sequence[str]) -> Reach | None:
    """Return the way that a command means which names no service but maybe brokers. Raises KafkaError."""
    chosen = [reach for reach in reaches if reach.bridge] or list(reaches[:1])
    if brokers and len(chosen) > 1:
        chosen = [reach for reach in chosen if set(brokers) <= set(_addresses(reach))]
    different: list[Reach] = []
    for reach in chosen:
        if all(_way(reach) != _way(other) for other in different):
            different.append(reach)
    if len(different) > 1:
        ids = ", ".join(reach.service for reach in chosen)
        raise KafkaError(f"the services {ids} reach Kafka in different ways", hint="say which one: --service ID")
    return different[0] if different else None


def given_brokers(option: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the brokers that the user names, by the option or in the environment; none if neither is so."""
    text = option or environ.get(BROKERS_VARIABLE, "")
    return () if text.strip() in ("", EMBEDDED) else brokers_from(text, environ)


def choose(brokers: Sequence[str], environ: Mapping[str, str], reach: Reach | None) -> Cluster:
    """Return the cluster; what the environment says comes before what the app has. Raises KafkaError.

    What the app logs in with goes to its own brokers only, whoever is named.
    """
    if reach is None:
        return Cluster(brokers=tuple(brokers) or brokers_from(None, environ), security=security_from(None, environ))
    addresses = _addresses(reach) if brokers else reach.addresses()
    variables = {**reach.variables, **environ}
    if environ.get(PROTOCOL):
        return Cluster(brokers=tuple(brokers) or addresses, security=security_from(None, variables))
    secured = security_from(reach.security, variables)
    if not set(brokers) <= set(addresses):
        other = ",".join(set(brokers) - set(addresses))
        note = f"the app's security is not used: {other} is none of its brokers ({','.join(addresses) or 'none'})"
        return Cluster(brokers=tuple(brokers), security=NONE, note="" if secured == NONE else note)
    return Cluster(brokers=tuple(brokers) or addresses, security=secured)


def _addresses(reach: Reach) -> tuple[str, ...]:
    try:
        return reach.addresses()
    except KafkaError:
        return ()


def _way(reach: Reach) -> object:
    login = {name: value for name, value in reach.variables.items() if name != BROKERS_VARIABLE}
    return _addresses(reach), reach.security, {} if reach.security is not None else login
