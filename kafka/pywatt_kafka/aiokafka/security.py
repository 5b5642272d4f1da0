"""Converts a Security into aiokafka's settings."""

from __future__ import annotations

import ssl
from typing import Any

from pywatt_kafka.errors import KafkaError, NotAuthorized
from pywatt_kafka.security.oauth import TokenSource
from pywatt_kafka.security.options import Security, Tls


def security_settings(security: Security) -> dict[str, Any]:
    """Return the arguments of aiokafka's clients. Raises KafkaError when a file cannot be used."""
    settings: dict[str, Any] = {"security_protocol": security.protocol}
    if security.tls is not None:
        settings["ssl_context"] = _context(security.tls)
    if security.sasl is not None:
        settings["sasl_mechanism"] = security.sasl.mechanism.value
        if security.sasl.token is not None:
            settings["sasl_oauth_token_provider"] = _provider(security.sasl.token)
        else:
            settings["sasl_plain_username"] = security.sasl.username
            settings["sasl_plain_password"] = security.sasl.password
    return settings


class _TokenProvider:
    """The provider of a token source; all that it raises is a NotAuthorized."""

    def __init__(self, source: TokenSource) -> None:
        self._name = type(source).__name__
        self._provider = source.provider()

    async def token(self) -> str:
        try:
            token: str = await self._provider.token()
        except NotAuthorized:
            raise
        except Exception as error:  # it is an application's
            raise NotAuthorized(f"{self._name} gives no token: {error!r}") from error
        return token


def _provider(source: TokenSource) -> _TokenProvider:
    from aiokafka.abc import AbstractTokenProvider

    AbstractTokenProvider.register(_TokenProvider)
    return _TokenProvider(source)


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise KafkaError(f"the authorities in {tls.ca} cannot be used: {_words(error)}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        try:
            # without a password it would ask for one at the terminal
            context.load_cert_chain(tls.cert, tls.key, tls.key_password or "")
        except OSError as error:
            files = tls.cert if tls.key is None else f"{tls.cert} with {tls.key}"
            raise KafkaError(f"the certificate in {files} cannot be used: {_words(error)}") from error
    return context


def _words(error: OSError) -> str:
    return error.strerror or str(error)
