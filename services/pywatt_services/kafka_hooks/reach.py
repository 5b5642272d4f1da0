"""How the services of a folder's app reach Kafka, for the commands of `pywatt kafka`: asked of the app when it runs,
else read from its config files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from pywatt.errors import ConfigError, ControlError
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.reach import PREFIX, Reach
from pywatt_kafka.security.oauth import ClientCredentials, FixedToken, TokenSource
from pywatt_kafka.security.options import Mechanism, Sasl, Security, Tls
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions

TYPE_NAME = "kafka-hooks"


def reaches(folder: Path, environ: Mapping[str, str]) -> Sequence[Reach]:
    """Return how each service does; nothing when no app is in the folder or above it. Raises KafkaError."""
    try:
        running = _running(folder)
    except ControlError as error:
        raise KafkaError(error.message, hint=error.hint) from error
    return running if running is not None else _on_disk(folder, environ)


def _running(folder: Path) -> Sequence[Reach] | None:
    """Return what the app that runs here says; None when there is none. Raises ControlError."""
    from pywatt.control.client import ControlClient
    from pywatt.control.find import implied, running

    around = implied([app for app in running() if app.ready], folder, guess=False)
    if not around:
        return None
    client = ControlClient(around[0])
    services: list[dict[str, Any]] = client.get("config", secrets="true")["services"]
    return [
        _shown(service, client.get("services", service["id"], "env", secrets="true")["env"]) for service in services
    ]


def _shown(service: Mapping[str, Any], env: Mapping[str, str]) -> Reach:
    """Return what a running app shows of a service."""
    options = service["options"]
    if service["type"] != TYPE_NAME:
        return _reach(service["id"], env)
    return _reach(
        service["id"],
        env,
        bridge=True,
        brokers=options["brokers"],
        security=security_of(options["security"]),
        dead_letters=[webhook["dlq"] for webhook in options["webhooks"]],
    )


def _on_disk(folder: Path, environ: Mapping[str, str]) -> Sequence[Reach]:
    from pywatt.config.discovery import find_app
    from pywatt.config.pipeline import load

    try:
        if not find_app(None, cwd=folder, config=None).has_file:
            return ()
        services = load(cwd=folder, environ=environ).services
    except ConfigError as error:
        count = len(error.problems)
        raise KafkaError(
            f"the config of the app has {count} problem{'s' if count != 1 else ''}", hint="`pywatt validate` tells"
        ) from error
    return [
        _reach(
            service.id,
            service.env,
            bridge=True,
            brokers=options.brokers,
            security=options.security,
            dead_letters=[webhook.dlq for webhook in options.webhooks],
        )
        if isinstance(options := service.options, KafkaHooksOptions)
        else _reach(service.id, service.env)
        for service in services
        if not service.internal
    ]


def _reach(
    service: str,
    env: Mapping[str, str],
    *,
    bridge: bool = False,
    brokers: Iterable[str] = (),
    security: Security | None = None,
    dead_letters: Iterable[str | None] = (),
) -> Reach:
    variables = {name: value for name, value in env.items() if name.startswith(PREFIX)}
    return Reach(
        service=service,
        bridge=bridge,
        brokers=tuple(brokers),
        security=security,
        variables=variables,
        dead_letters=frozenset(filter(None, dead_letters)),
    )


def security_of(document: Mapping[str, Any] | None) -> Security | None:
    """Return what a running app shows of a Security, with its secrets, as a Security again."""
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
