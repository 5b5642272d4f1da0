"""Who may use the service over HTTP: clients with an API key, or with a JSON Web Token (RFC 7519)."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from time import time
from typing import Any

from pywatt.errors import MissingExtra
from pywatt_services.kafka_hooks.answers import HttpAnswer, unauthorized
from pywatt_services.kafka_hooks.headers import RawHeaders
from pywatt_services.kafka_hooks.publish_options import Complain

API_KEY = "x-api-key"
BEARER = b"bearer "
KNOWN_TOKENS = 1000  # that need no second check of their signature
TOKEN_TRUST = 60.0  # seconds for which a token that was checked is believed, unless it expires before


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """How JSON Web Tokens are checked."""

    key: str = field(repr=False)
    """The shared secret (HS256), or the public key as PEM text (RS256)."""
    algorithm: str
    issuer: str | None = None
    audience: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """What a client has to show: one of the API keys, or a token."""

    header: str = API_KEY
    """Name of the header that carries an API key, in lower case."""
    key_digests: frozenset[bytes] = field(default_factory=frozenset, repr=False)
    """SHA-256 of each key."""
    token: TokenOptions | None = None


def auth_options(settings: Mapping[str, Any], *, folder: Path, complain: Complain) -> AuthOptions | None:
    """Read the block `auth`."""
    keys = settings.get("apiKeys", ())
    if any(not key for key in keys):
        complain("auth.apiKeys", "an API key is empty", "is a variable in it empty?")
    token = settings.get("jwt")
    if not keys and token is None:
        complain("auth", "auth names neither apiKeys nor jwt", 'such as "apiKeys": ["{PUBLISH_KEY}"]')
        return None
    return AuthOptions(
        header=settings.get("header", API_KEY).lower(),
        key_digests=frozenset(_digest(key.encode()) for key in keys),
        token=None if token is None else _token_options(token, folder, complain),
    )


def _token_options(entry: Mapping[str, Any], folder: Path, complain: Complain) -> TokenOptions | None:
    secret, public = entry.get("secret"), entry.get("publicKey")
    key = secret if public is None else public
    if key is None or (secret is not None and public is not None):
        complain("auth.jwt", "either secret (HS256) or publicKey (RS256) is needed", "give one of them")
        return None
    if public is not None and "-----BEGIN" not in public:
        try:
            key = (folder / public).read_text("ascii")
        except (OSError, UnicodeDecodeError) as error:
            complain("auth.jwt.publicKey", f"{public} cannot be read: {error}", "a PEM file, or its text")
            return None
    audience = entry.get("audience", ())
    return TokenOptions(
        key=key,
        algorithm="HS256" if public is None else "RS256",
        issuer=entry.get("issuer"),
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
    )


class Admission:
    """Lets clients in, or says what they have to show."""

    def __init__(self, options: AuthOptions, *, needed_by: str, now: Callable[[], float] = time) -> None:
        """Raises MissingExtra when tokens are to be checked and PyJWT is not installed."""
        if options.token is not None and (find_spec("jwt") is None or find_spec("cryptography") is None):
            raise MissingExtra("pyjwt", "jwt", needed_by=needed_by)
        self._options = options
        self._header = options.header.encode()
        self._now = now
        self._known: dict[bytes, float] = {}
        """Tokens that were checked, and until when they are believed."""

    def refusal(self, headers: RawHeaders) -> HttpAnswer | None:
        """Return the answer for a client that may not come in; None for one that may."""
        options = self._options
        for name, value in headers:
            # The digest takes the same time for every wrong key.
            if name == self._header and _digest(value) in options.key_digests:
                return None
            if name == b"authorization" and options.token is not None and value[: len(BEARER)].lower() == BEARER:
                if self._believes(value[len(BEARER) :].strip(), options.token):
                    return None
        return self._unauthorized()

    def _unauthorized(self) -> HttpAnswer:
        return unauthorized(None if self._options.token is not None else self._options.header)

    def _believes(self, token: bytes, options: TokenOptions) -> bool:
        now = self._now()
        if self._known.get(token, 0.0) > now:
            return True
        self._known.pop(token, None)
        until = self._check(token, options, now)
        if until is None:
            return False
        if len(self._known) >= KNOWN_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[token] = until
        return True

    def _check(self, token: bytes, options: TokenOptions, now: float) -> float | None:
        """Return until when a token is good, None when it is not."""
        import jwt

        try:
            claims = jwt.decode(
                token,
                options.key,
                algorithms=[options.algorithm],
                issuer=options.issuer,
                audience=list(options.audience) or None,
                options={"verify_aud": bool(options.audience), "verify_exp": False, "verify_nbf": False},
            )
            expires, begins = float(claims.get("exp", now + TOKEN_TRUST)), float(claims.get("nbf", now))
        except (jwt.PyJWTError, TypeError, ValueError):
            return None
        return min(expires, now + TOKEN_TRUST) if begins <= now < expires else None


def _digest(key: bytes) -> bytes:
    return hashlib.sha256(key).digest()
