"""Converts a Security into librdkafka's settings."""

from __future__ import annotations

import time
from typing import Any

from pywatt_kafka.errors import NotAuthorized
from pywatt_kafka.security.oauth import ClientCredentials, FixedToken, fetch
from pywatt_kafka.security.options import Security

TOKEN_LIFE = 3600.0  # seconds until librdkafka asks for a fixed token again


def security_settings(security: Security) -> dict[str, Any]:
    """Return the settings of librdkafka's clients."""
    settings: dict[str, Any] = {"security.protocol": security.protocol}
    tls, sasl = security.tls, security.sasl
    if tls is not None:
        settings["enable.ssl.certificate.verification"] = tls.verify
        given = {
            "ssl.ca.location": tls.ca,
            "ssl.certificate.location": tls.cert,
            "ssl.key.location": tls.key or tls.cert,
            "ssl.key.password": tls.key_password,
        }
        settings |= {name: value for name, value in given.items() if value is not None}
        if not tls.verify:
            settings["ssl.endpoint.identification.algorithm"] = "none"
    if sasl is not None:
        settings["sasl.mechanisms"] = sasl.mechanism.value
        if sasl.token is None:
            settings |= {"sasl.username": sasl.username, "sasl.password": sasl.password}
        else:
            settings["oauth_cb"] = _TokenCallback(sasl.token)
    return settings


class _TokenCallback:
    """Returns a token and its expiry, in seconds since 1970; called in a thread of librdkafka's."""

    def __init__(self, source: Any) -> None:
        self._source = source

    def __call__(self, config: str) -> tuple[str, float]:
        if isinstance(self._source, FixedToken):
            return self._source.token, time.time() + TOKEN_LIFE
        if isinstance(self._source, ClientCredentials):
            token, lifetime = fetch(self._source)
            return token, time.time() + lifetime
        raise NotAuthorized(f"the engine rdkafka takes no tokens of {type(self._source).__name__}")
