"""Checks JSON Web Tokens (RFC 7519)."""

from __future__ import annotations

import enum
import logging
from collections.abc import Callable, Mapping, Sequence
from time import time
from typing import Any, Protocol

from pywatt_services.diagnostics.log_throttle import LogThrottle
from pywatt_services.tokens.token_keys import TokenKey, candidates
from pywatt_services.tokens.token_options import TokenOptions

logger = logging.getLogger("pywatt.tokens")

KNOWN_TOKENS = 1000  # that need no second check of their signature
TOKEN_TRUST = 60.0  # seconds for which a checked token counts as valid, unless it expires before
SHOWN = 100  # characters of what is not ours, in the log


class TokenCheck(enum.Enum):
    """Result of checking a token."""

    VALID = "valid"
    INVALID = "invalid"
    PENDING = "pending"
    """Its key is unknown, but newer keys are being fetched."""
    UNKNOWN = "unknown"
    """Its key is unknown, and newer keys could not be fetched."""


class Keys(Protocol):
    """A source of keys."""

    @property
    def newest(self) -> Sequence[TokenKey]: ...
    @property
    def failed(self) -> bool: ...
    def refresh(self) -> bool: ...


class FixedKeys:
    """Configured keys."""

    def __init__(self, keys: Sequence[TokenKey]) -> None:
        self.newest = keys
        self.failed = False

    def refresh(self) -> bool:
        """Return False: there are no newer keys."""
        return False


class RefusedToken(Exception):
    """A refused token: the reason."""


class UnknownKey(RefusedToken):
    """A token without a known key, which may be valid."""


class Tokens:
    """Checks tokens, and logs the reasons for refusing them."""

    def __init__(self, options: TokenOptions, keys: Keys, *, now: Callable[[], float] = time) -> None:
        self._options = options
        self._keys = keys
        self._now = now
        self._throttle = LogThrottle()
        self._known: dict[bytes, tuple[float, Mapping[str, Any]]] = {}
        """Tokens that were checked, the times until which they are valid, and their claims."""

    def check(self, token: bytes) -> TokenCheck:
        """Check a token."""
        now = self._now()
        known = self._known.get(token)
        if known is not None:
            if known[0] > now:
                return TokenCheck.VALID
            del self._known[token]
        try:
            checked = self._check(token, now)
        except RefusedToken as refused:
            unknown = isinstance(refused, UnknownKey)
            if unknown and self._keys.refresh():
                return TokenCheck.PENDING
            if self._throttle.due():
                logger.warning("a token was refused, %d so far, the last one because %s", self._throttle.count, refused)
            return TokenCheck.UNKNOWN if unknown and self._keys.failed else TokenCheck.INVALID
        if len(self._known) >= KNOWN_TOKENS:
            del self._known[next(iter(self._known))]
        self._known[token] = checked
        return TokenCheck.VALID

    def claims(self, token: bytes) -> Mapping[str, Any]:
        """Return the claims of a token that was just found valid."""
        known = self._known.get(token)
        return {} if known is None else known[1]

    def _check(self, token: bytes, now: float) -> tuple[float, Mapping[str, Any]]:
        """Return the time until which a token is valid, and its claims. Raises RefusedToken."""
        claims = self._claims(token)
        try:
            expires, begins = float(claims.get("exp", now + TOKEN_TRUST)), float(claims.get("nbf", now))
        except (TypeError, ValueError) as error:
            raise RefusedToken("its exp or nbf is no time") from error
        if "exp" not in claims and self._options.require_expiry:
            raise RefusedToken('it has no exp ("requireExpiry": false would allow that)')
        tolerance = self._options.clock_tolerance
        if now >= expires + tolerance:
            raise RefusedToken(f"it expired {now - expires:.0f} s ago")
        if now < begins - tolerance:
            raise RefusedToken(f"it is good in {begins - now:.0f} s only")
        return min(expires + tolerance, now + TOKEN_TRUST), claims

    def _claims(self, token: bytes) -> dict[str, Any]:
        """Return the claims of a token with a valid signature. Raises RefusedToken."""
        import jwt

        options = self._options
        try:
            header = jwt.get_unverified_header(token)
            id_, algorithm = header.get("kid"), header.get("alg")
            keys = candidates(self._keys.newest, id_, algorithm)
            if not keys:
                raise UnknownKey(f"there is no key for its kid {id_!a:.60} and alg {algorithm!a:.20}")
            for key in keys:
                try:
                    claims: dict[str, Any] = jwt.decode(
                        token,
                        key.text,
                        algorithms=[key.algorithm],
                        issuer=options.issuer,
                        audience=list(options.audience) or None,
                        options={
                            "verify_aud": bool(options.audience),
                            "verify_exp": False,
                            "verify_nbf": False,
                            "verify_iat": options.clock_tolerance == 0,
                        },
                    )
                except jwt.InvalidSignatureError:
                    continue
                return claims
        except (jwt.PyJWTError, TypeError, ValueError) as error:
            raise RefusedToken(ascii(str(error))[1 : SHOWN + 1].rstrip("'")) from error
        raise RefusedToken("its signature is not that of a key that is known")
