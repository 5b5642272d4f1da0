"""Converts a Security into librdkafka's settings."""

from __future__ import annotations

import asyncio
import base64
import json
import time
from collections.abc import Mapping
from typing import Any

from pywatt_kafka.errors import NotAuthorized
from pywatt_kafka.security.oauth import DEFAULT_LIFETIME, ClientCredentials, FixedToken, fetch
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


def acquire_token(settings: Mapping[str, Any]) -> None:
    """Get the first token before the client is made, which would wait 10 s for it. Raises NotAuthorized."""
    callback = settings.get("oauth_cb")
    if isinstance(callback, _TokenCallback):
        callback.acquire()


class _TokenCallback:
    """Returns a token and its expiry, in seconds since 1970; called in a thread of librdkafka's."""

    def __init__(self, source: Any) -> None:
        self._source = source
        self._provider: Any = None
        self._acquired: tuple[str, float] | None = None

    def acquire(self) -> None:
        """Get a token for the next call. Raises NotAuthorized."""
        self._acquired = self._token()

    def __call__(self, config: str) -> tuple[str, float]:
        token, self._acquired = self._acquired, None
        return token or self._token()  # librdkafka reports an error as one of authentication

    def _token(self) -> tuple[str, float]:
        if isinstance(self._source, FixedToken):
            return self._source.token, time.time() + TOKEN_LIFE
        if isinstance(self._source, ClientCredentials):
            token, lifetime = fetch(self._source)
            return token, time.time() + lifetime
        try:
            if self._provider is None:
                self._provider = self._source.provider()
            token = asyncio.run(self._provider.token())
        except NotAuthorized:
            raise
        except Exception as error:  # it is an application's
            raise NotAuthorized(f"{type(self._source).__name__} gives no token: {error!r}") from error
        return token, expiry_of(token, time.time())


def expiry_of(token: str, now: float) -> float:
    """Return the expiry of a token, in seconds since 1970: that of a JWT, else soon, as a source may renew it."""
    try:
        payload = token.split(".")[1]
        claims = json.loads(base64.urlsafe_b64decode(payload + "=" * (-len(payload) % 4)))
        expiry = float(claims["exp"])
    except (IndexError, KeyError, TypeError, ValueError):
        return now + DEFAULT_LIFETIME
    return expiry if expiry > now else now + DEFAULT_LIFETIME
