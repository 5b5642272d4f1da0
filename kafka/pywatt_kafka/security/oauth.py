"""Tokens for SASL OAUTHBEARER: a fixed one, or one that a token endpoint gives for a client's credentials."""

from __future__ import annotations

import base64
import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio.to_thread

from pywatt_kafka.errors import NotAuthorized

REQUEST_LIMIT = 10.0  # seconds
DEFAULT_LIFETIME = 300.0  # seconds of a token whose endpoint does not say
LONGEST_LIFETIME = 86400.0  # seconds after which a token is renewed, whatever its endpoint says
REUSE_FRACTION = 0.8
"""Part of a token's life in which it is used again: it has to last while a connection is opened."""
RESPONSE_BYTES = 64 * 1024  # bytes


class TokenSource(Protocol):
    """Where tokens come from; a value that a process can be given."""

    def provider(self) -> Any:
        """Return what aiokafka asks for a token, in its own form."""
        ...


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that somebody else renews."""

    token: str = field(repr=False)

    def provider(self) -> Any:
        """Return what gives it."""
        return _provider(_FixedProvider(self.token))


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """OAuth 2.0's grant for programs (RFC 6749 section 4.4)."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""

    def provider(self) -> Any:
        """Return what fetches tokens and keeps them while they are good."""
        return _provider(RenewedToken(self))


class _FixedProvider:
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


class RenewedToken:
    """Gives a token, and gets another one in time."""

    def __init__(self, credentials: ClientCredentials, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Return a token that is good for a while. Raises NotAuthorized."""
        if self._clock() >= self._good_until:
            asked = self._clock()
            self._token, lifetime = await anyio.to_thread.run_sync(fetch, self._credentials, abandon_on_cancel=True)
            self._good_until = asked + lifetime * REUSE_FRACTION
        return self._token


def fetch(credentials: ClientCredentials) -> tuple[str, float]:
    """Return a new token and its lifetime in seconds. Raises NotAuthorized."""
    import urllib.error
    import urllib.parse
    import urllib.request

    form = {"grant_type": "client_credentials", **({"scope": credentials.scope} if credentials.scope else {})}
    pair = ":".join(urllib.parse.quote(part, safe="") for part in (credentials.client_id, credentials.client_secret))
    request = urllib.request.Request(  # noqa: S310  checked when the config is read
        credentials.url,
        data=urllib.parse.urlencode(form).encode(),
        headers={"authorization": f"Basic {base64.b64encode(pair.encode()).decode()}", "accept": "application/json"},
    )
    try:
        with urllib.request.urlopen(request, timeout=REQUEST_LIMIT) as answer:  # noqa: S310
            document = json.loads(answer.read(RESPONSE_BYTES))
        token, lifetime = document["access_token"], _lifetime(document.get("expires_in", DEFAULT_LIFETIME))
    except urllib.error.HTTPError as error:
        error.close()
        raise NotAuthorized(f"{credentials.url} gives no token: {error.code} {error.reason}") from error
    except Exception as error:  # an endpoint may answer anything, and http.client has errors of its own for that
        raise NotAuthorized(f"{credentials.url} gives no token: {error!r}") from error
    if not isinstance(token, str):
        raise NotAuthorized(f"{credentials.url} gives no token: access_token is not a text")
    return token, lifetime


def _lifetime(given: Any) -> float:
    """Return a token's lifetime in seconds. Raises ValueError, TypeError, OverflowError."""
    seconds = float(given)
    if not seconds > 0:
        raise ValueError(f"expires_in is {given!r}")
    return min(seconds, LONGEST_LIFETIME)


def _provider(source: _FixedProvider | RenewedToken) -> Any:
    from aiokafka.abc import AbstractTokenProvider

    AbstractTokenProvider.register(type(source))
    return source
