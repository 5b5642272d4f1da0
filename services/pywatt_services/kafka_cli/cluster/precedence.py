"""Chooses the cluster of a command from its options, the environment, and the services of an app (pure)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from pywatt_kafka.connection.addresses import BROKERS_VARIABLE, EMBEDDED, brokers_from
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.security.environment import PROTOCOL, security_from
from pywatt_kafka.security.options import NONE, Security

PREFIX = "KAFKA_"
"""Prefix of the environment variables with brokers and security."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceCluster:
    """The cluster of one service of an app."""

    service: str = ""
    """Id of the service."""
    is_kafka_hooks: bool = False
    """The service is a kafka-hooks service; others may use Kafka, or not."""
    brokers: tuple[str, ...] = ()
    """Brokers of its config; empty: the variable names them."""
    security: Security | None = None
    """Security of its config; None: the variables describe it."""
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    """The variables of its environment that begin with PREFIX."""
    dead_letter_topics: frozenset[str] = frozenset()

    def addresses(self) -> tuple[str, ...]:
        """Return the addresses of the brokers. Raises KafkaError when there are none."""
        return brokers_from(self.brokers or None, self.variables)


@dataclass(frozen=True, slots=True, kw_only=True)
class Cluster:
    """The cluster that a command connects to."""

    brokers: tuple[str, ...]
    security: Security
    note: str = ""
    """A remark on the choice, for the user."""
    dead_letter_topics: frozenset[str] = frozenset()
    """The dead-letter topics of the app in the working directory."""


def cluster_of(clusters: Sequence[ServiceCluster], service: str) -> ServiceCluster:
    """Return the cluster of the service with that id. Raises KafkaError."""
    for each in clusters:
        if each.service == service:
            return each
    known = ", ".join(each.service for each in clusters)
    raise KafkaError(f"there is no service {service} here", hint=f"these are: {known}" if known else "no app is here")


def default_cluster(clusters: Sequence[ServiceCluster], brokers: Sequence[str]) -> ServiceCluster | None:
    """Return the cluster of a command without a service, but perhaps with brokers. Raises KafkaError."""
    chosen = [each for each in clusters if each.is_kafka_hooks] or list(clusters[:1])
    if brokers and len(chosen) > 1:
        chosen = [each for each in chosen if set(brokers) <= set(_addresses(each))]
    different: list[ServiceCluster] = []
    for each in chosen:
        if all(_identity(each) != _identity(other) for other in different):
            different.append(each)
    if len(different) > 1:
        ids = ", ".join(each.service for each in chosen)
        raise KafkaError(f"the services {ids} reach Kafka in different ways", hint="say which one: --service ID")
    return different[0] if different else None


def given_brokers(option: str | None, environ: Mapping[str, str]) -> tuple[str, ...]:
    """Return the brokers of the option or the environment; empty when neither names any."""
    text = option or environ.get(BROKERS_VARIABLE, "")
    return () if text.strip() in ("", EMBEDDED) else brokers_from(text, environ)


def resolve_cluster(brokers: Sequence[str], environ: Mapping[str, str], own: ServiceCluster | None) -> Cluster:
    """Return the cluster to connect to; the environment precedes the app's `own` cluster. Raises KafkaError.

    The app's credentials are used for its own brokers only.
    """
    if own is None:
        return Cluster(brokers=tuple(brokers) or brokers_from(None, environ), security=security_from(None, environ))
    addresses = _addresses(own) if brokers else own.addresses()
    variables = {**own.variables, **environ}
    if environ.get(PROTOCOL):
        return Cluster(brokers=tuple(brokers) or addresses, security=security_from(None, variables))
    secured = security_from(own.security, variables)
    if not set(brokers) <= set(addresses):
        other = ",".join(set(brokers) - set(addresses))
        note = f"the app's security is not used: {other} is none of its brokers ({','.join(addresses) or 'none'})"
        return Cluster(brokers=tuple(brokers), security=NONE, note="" if secured == NONE else note)
    return Cluster(brokers=tuple(brokers) or addresses, security=secured)


def _addresses(cluster: ServiceCluster) -> tuple[str, ...]:
    try:
        return cluster.addresses()
    except KafkaError:
        return ()


def _identity(cluster: ServiceCluster) -> object:
    """Return a value that is equal for two services that reach the same cluster in the same way."""
    login = {name: value for name, value in cluster.variables.items() if name != BROKERS_VARIABLE}
    return _addresses(cluster), cluster.security, {} if cluster.security is not None else login
