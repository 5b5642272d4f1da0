"""Admits HTTP clients with an API key or a JSON Web Token."""

from __future__ import annotations

import enum
from collections.abc import Callable
from time import time
from typing import Final

from pywatt_services.kafka_hooks.auth.options import AuthOptions, digest
from pywatt_services.kafka_hooks.http.responses import HttpResponse, no_keys, unauthorized
from pywatt_services.kafka_hooks.wire.headers import RawHeaders
from pywatt_services.tokens.fetched_keys import FetchedKeys
from pywatt_services.tokens.tokens import FixedKeys, TokenCheck, Tokens

BEARER = b"bearer "


class Later(enum.Enum):
    """A decision that is still open."""

    WAIT = enum.auto()
    """The keys for a token are being fetched."""


WAIT: Final = Later.WAIT


class Admission:
    """Admits clients, or returns the response that refuses them."""

    def __init__(
        self, options: AuthOptions, *, fetched: FetchedKeys | None = None, now: Callable[[], float] = time
    ) -> None:
        """`fetched`: the keys of `token.jwks_url`."""
        self._header = options.header.encode()
        self._key_digests = options.key_digests
        self._fetched = fetched
        token = options.token
        self._tokens = None if token is None else Tokens(token, fetched or FixedKeys(token.keys), now=now)
        self._unauthorized = unauthorized(None if token is not None else options.header)

    def rejection(self, headers: RawHeaders) -> HttpResponse | Later | None:
        """Return the response that refuses a client; None for one that is admitted.

        WAIT: that depends on newer keys, see `wait`.
        """
        rejection: HttpResponse | Later = self._unauthorized
        for name, value in headers:
            # The digest takes the same time for every wrong key.
            if name == self._header and digest(value) in self._key_digests:
                return None
            if name == b"authorization" and self._tokens is not None and value[: len(BEARER)].lower() == BEARER:
                check = self._tokens.check(value[len(BEARER) :].strip())
                if check is TokenCheck.VALID:
                    return None
                if check is not TokenCheck.INVALID:
                    rejection = WAIT if check is TokenCheck.PENDING else no_keys()
        return rejection

    def wait(self, again: Callable[[], None]) -> bool:
        """Call `again` when the keys were fetched, or could not be; False: there is nothing to wait for."""
        return self._fetched is not None and self._fetched.wait(again)
