"""Tokens for SASL OAUTHBEARER: a fixed one, or one from a token endpoint for a client's credentials."""

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
DEFAULT_LIFETIME = 300.0  # seconds, for a token without expires_in
LONGEST_LIFETIME = 86400.0  # seconds after which a token is renewed in any case
REUSE_FRACTION = 0.8
"""Fraction of a token's lifetime in which it is reused: it must still be valid when the connection is open."""
RESPONSE_BYTES = 64 * 1024  # bytes


class TokenSource(Protocol):
    """A source of tokens; a value that can be passed to another process."""

    def provider(self) -> Any:
        """Return a provider: an object with `async def token(self) -> str`.

        aiokafka awaits `token` for each connection, in the event loop of the client. librdkafka does so when four
        fifths of the token's lifetime are over (that of a JWT; else 5 minutes), in a thread and an event loop of its
        own: the provider must not keep anything that belongs to one event loop.
        """
        ...


@dataclass(frozen=True, slots=True)
class FixedToken:
    """A token that is renewed elsewhere."""

    token: str = field(repr=False)

    def provider(self) -> Any:
        """Return a provider of this token."""
        return _FixedProvider(self.token)


@dataclass(frozen=True, slots=True, kw_only=True)
class ClientCredentials:
    """The client credentials grant of OAuth 2.0 (RFC 6749 section 4.4)."""

    url: str
    client_id: str
    client_secret: str = field(repr=False)
    scope: str = ""

    def provider(self) -> Any:
        """Return a provider that fetches tokens and reuses them while they are valid."""
        return RenewedToken(self)


class _FixedProvider:
    def __init__(self, token: str) -> None:
        self._token = token

    async def token(self) -> str:
        return self._token


class RenewedToken:
    """A token provider that fetches a new token before the current one expires."""

    def __init__(self, credentials: ClientCredentials, clock: Callable[[], float] = time.monotonic) -> None:
        self._credentials = credentials
        self._clock = clock
        self._token = ""
        self._good_until = 0.0

    async def token(self) -> str:
        """Return a token that is still valid for some time. Raises NotAuthorized."""
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
