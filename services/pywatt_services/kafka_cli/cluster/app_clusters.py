"""Discovers the clusters of an app's services: asks the app when it runs, else reads its config files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pywatt.errors import ConfigError
from pywatt_kafka.security.oauth import ClientCredentials, FixedToken, TokenSource
from pywatt_kafka.security.options import Mechanism, Sasl, Security, Tls
from pywatt_services.kafka_cli.cluster.precedence import PREFIX, ServiceCluster
from pywatt_services.kafka_cli.errors import KafkaCommandError

TYPE_NAME = "kafka-hooks"


def discover_clusters(folder: Path, environ: Mapping[str, str]) -> Sequence[ServiceCluster]:
    """Return the cluster of each service of the app in this folder or above; empty without an app.

    Raises ControlError and KafkaCommandError.
    """
    running = _from_running_app(folder)
    return running if running is not None else _from_files(folder, environ)


def _from_running_app(folder: Path) -> Sequence[ServiceCluster] | None:
    """Ask the app that runs here; return None when there is none. Raises ControlError."""
    from pywatt.control.client import ControlClient
    from pywatt.control.discovery import implied, running

    around = implied([app for app in running() if app.ready], folder, guess=False)
    if not around:
        return None
    client = ControlClient(around[0])
    services: list[dict[str, Any]] = client.get("config", secrets="true")["services"]
    return [
        service_cluster_of(service, client.get("services", service["id"], "env", secrets="true")["env"])
        for service in services
    ]


def service_cluster_of(service: Mapping[str, Any], env: Mapping[str, str]) -> ServiceCluster:
    """Return the cluster of a service that a running app describes."""
    options = service["options"]
    if service["type"] != TYPE_NAME:
        return _service_cluster(service["id"], env)
    return _service_cluster(
        service["id"],
        env,
        is_kafka_hooks=True,
        brokers=options["brokers"],
        security=security_of(options["security"]),
        dead_letter_topics=[webhook["dlq"] for webhook in options["webhooks"]],
    )


def _from_files(folder: Path, environ: Mapping[str, str]) -> Sequence[ServiceCluster]:
    """Read the config files of the app. Raises KafkaCommandError."""
    from pywatt.config.discovery import find_app
    from pywatt.config.pipeline import load
    from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions

    try:
        if not find_app(None, cwd=folder, config=None).has_file:
            return ()
        services = load(cwd=folder, environ=environ).services
    except ConfigError as error:
        count = len(error.problems)
        raise KafkaCommandError(
            f"the config of the app has {count} problem{'s' if count != 1 else ''}", hint="`pywatt validate` tells"
        ) from error
    return [
        _service_cluster(
            service.id,
            service.env,
            is_kafka_hooks=True,
            brokers=options.brokers,
            security=options.security,
            dead_letter_topics=[webhook.dlq for webhook in options.webhooks],
        )
        if isinstance(options := service.options, KafkaHooksOptions)
        else _service_cluster(service.id, service.env)
        for service in services
        if not service.internal
    ]


def _service_cluster(
    service: str,
    env: Mapping[str, str],
    *,
    is_kafka_hooks: bool = False,
    brokers: Iterable[str] = (),
    security: Security | None = None,
    dead_letter_topics: Iterable[str | None] = (),
) -> ServiceCluster:
    variables = {name: value for name, value in env.items() if name.startswith(PREFIX)}
    return ServiceCluster(
        service=service,
        is_kafka_hooks=is_kafka_hooks,
        brokers=tuple(brokers),
        security=security,
        variables=variables,
        dead_letter_topics=frozenset(filter(None, dead_letter_topics)),
    )


def security_of(document: Mapping[str, Any] | None) -> Security | None:
    """Return the Security that a running app shows, with its secrets; the reverse of its JSON form."""
    if document is None:
        return None
    tls, sasl = document["tls"], document["sasl"]
    return Security(tls=None if tls is None else Tls(**tls), sasl=None if sasl is None else _sasl(sasl))


def _sasl(document: Mapping[str, Any]) -> Sasl:
    token: Mapping[str, Any] | None = document["token"]
    source: TokenSource | None = None
    if token is not None:
        source = FixedToken(**token) if "token" in token else ClientCredentials(**token)
    return Sasl(**{**document, "mechanism": Mechanism(document["mechanism"]), "token": source})
