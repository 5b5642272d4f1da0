"""Checks librdkafka's options that a user gives beside the keywords of this library."""

from __future__ import annotations

import logging
from collections.abc import Callable, Collection, Mapping
from typing import Any

from pywatt_kafka.errors import KafkaError

logger = logging.getLogger("pywatt_kafka")

CLIENT_KEYWORDS = {
    "bootstrap.servers": "bootstrap_brokers",
    "metadata.broker.list": "bootstrap_brokers",
    "client.id": "client_id",
    "security.protocol": "security",
    "sasl.mechanism": "security",
    "sasl.mechanisms": "security",
    "sasl.username": "security",
    "sasl.password": "security",
    "ssl.ca.location": "security",
    "ssl.certificate.location": "security",
    "ssl.key.location": "security",
    "ssl.key.password": "security",
    "enable.ssl.certificate.verification": "security",
}
CLIENT_RESERVED = {"logger", "error_cb", "on_commit", "oauth_cb", "on_delivery", "rebalance_cb"}
OBSERVERS = ("stats_cb", "throttle_cb")
"""Callbacks of the user: called in a thread, with the statistics as JSON or with a ThrottleEvent."""
REFERENCE = "librdkafka lists its options in CONFIGURATION.md"


def merged(
    settings: dict[str, Any], options: Mapping[str, Any], *, keywords: Mapping[str, str], reserved: Collection[str]
) -> dict[str, Any]:
    """Return the settings with the options of the user. Raises KafkaError for an option with a keyword of its own.

    `keywords`: the keyword of this library for each option that has one. `reserved`: options that it must set itself.
    """
    for name in options:
        keyword = keywords.get(name) or CLIENT_KEYWORDS.get(name)
        if keyword is not None:
            raise KafkaError(f"options: {name!r} contradicts a keyword", hint=f"use {keyword}= instead")
        if name in reserved or name in CLIENT_RESERVED:
            raise KafkaError(f"options: {name!r} is set by pywatt_kafka itself", hint="leave it out")
    observers = {name: _Observer(name, options[name]) for name in OBSERVERS if name in options}
    return {**settings, **options, **observers}


class _Observer:
    """Calls a callback of the user. What it raises is logged: librdkafka would end the poll that calls it."""

    def __init__(self, name: str, callback: Any) -> None:
        if not callable(callback):
            raise KafkaError(f"options: {name!r} is {callback!r}", hint="give a function")
        self._name = name
        self._callback = callback

    def __call__(self, event: Any) -> None:
        try:
            self._callback(event)
        except Exception:
            logger.exception("options: %r failed", self._name)


def check(client: Callable[[dict[str, Any]], Any], settings: Mapping[str, Any]) -> None:
    """Let librdkafka check the settings, without connecting. Raises KafkaError."""
    from confluent_kafka import KafkaException

    # Without brokers; and without tokens, as the client would wait for the first one.
    offline = {name: value for name, value in settings.items() if name not in ("bootstrap.servers", "oauth_cb")}
    try:
        made = client(offline)
    except KafkaException as error:
        raise KafkaError(f"options: {error.args[0].str()}", hint=REFERENCE) from error
    except (TypeError, ValueError) as error:
        raise KafkaError(f"options: {error}", hint=REFERENCE) from error
    made.close()
