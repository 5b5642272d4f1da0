"""Admits clients with a password, an API key or a JSON Web Token."""

from __future__ import annotations

import asyncio
import base64
import binascii
import secrets
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from hashlib import blake2b

from pywatt.http.headers import Header
from pywatt.http.server.errors import RETRY_AFTER
from pywatt_services.gateway.policies.auth_options import AuthOptions, digest
from pywatt_services.gateway.policies.passwords import PasswordHash, read_hash
from pywatt_services.gateway.policies.verdict import Later, PolicyRequest, Verdict, refusal
from pywatt_services.tokens.fetched_keys import FetchedKeys
from pywatt_services.tokens.tokens import FixedKeys, TokenCheck, Tokens

BASIC = b"basic "
BEARER = b"bearer "
TRUST = 60.0
"""Seconds for which a password that was checked needs no second check."""
KNOWN_PASSWORDS = 1000
MAX_CHECKING = 100
"""Passwords that wait for their check, in one worker; each takes a thread for many milliseconds."""
NO_CHECK = refusal(503, "credentials cannot be checked at the moment; try again later", RETRY_AFTER)


class Authentication:
    """Refuses clients without valid credentials."""

    def __init__(
        self,
        options: AuthOptions,
        *,
        fetched: FetchedKeys | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        """`fetched`: the keys of tokens that are fetched. `now`: seconds since the epoch, for tokens."""
        self._header = options.header.encode() if options.key_digests else None
        self._keys: Mapping[bytes, str] = {key: name for name, key in options.key_digests}
        self._fetched = fetched
        token = options.token
        self._tokens = None if token is None else Tokens(token, fetched or FixedKeys(token.keys), now=now)
        self._passwords = Passwords(dict(options.users), clock) if options.users else None
        challenges: list[Header] = []
        if options.users:
            realm = options.realm.replace("\\", "\\\\").replace('"', '\\"')
            challenges.append((b"www-authenticate", f'Basic realm="{realm}", charset="UTF-8"'.encode()))
        if token is not None:
            challenges.append((b"www-authenticate", b"Bearer"))
        if self._header is not None:
            challenges.append((b"www-authenticate", b'ApiKey header="%b"' % self._header))
        self._refusal = refusal(401, "valid credentials are needed", *challenges)

    def check(self, request: PolicyRequest) -> Verdict | Later:
        """Return the refusal of a client; the claims of one that is admitted go to the request."""
        pending: bytes | None = None
        unavailable = False
        for name, value in request.head.headers:
            lower = name.lower()
            if lower == self._header:
                # The digest takes the same time for every wrong key.
                user = self._keys.get(digest(value))
                if user is not None:
                    request.claims = {"sub": user} if user else {}
                    return None
            if lower != b"authorization":
                continue
            if self._tokens is not None and value[: len(BEARER)].lower() == BEARER:
                token = value[len(BEARER) :].strip()
                check = self._tokens.check(token)
                if check is TokenCheck.VALID:
                    request.claims = self._tokens.claims(token)
                    return None
                unavailable = check is TokenCheck.UNKNOWN
                pending = token if check is TokenCheck.PENDING else None
            elif self._passwords is not None and value[: len(BASIC)].lower() == BASIC:
                credentials = read_credentials(value[len(BASIC) :])
                if credentials is None:
                    continue
                known = self._passwords.known(*credentials)
                if known is None:
                    return Later(partial(self._check_password, request, *credentials))
                if known:
                    request.claims = {"sub": credentials[0]}
                    return None
        if pending is not None:
            return Later(partial(self._check_later, request, pending))
        return NO_CHECK if unavailable else self._refusal

    async def _check_password(self, request: PolicyRequest, user: str, password: bytes) -> Verdict:
        assert self._passwords is not None
        valid = await self._passwords.check(user, password)
        if valid is None:
            return NO_CHECK
        if not valid:
            return self._refusal
        request.claims = {"sub": user}
        return None

    async def _check_later(self, request: PolicyRequest, token: bytes) -> Verdict:
        """Check a token once newer keys are there."""
        assert self._fetched is not None
        assert self._tokens is not None
        fetched = asyncio.Event()
        if self._fetched.wait(fetched.set):
            await fetched.wait()
        check = self._tokens.check(token)
        if check is TokenCheck.VALID:
            request.claims = self._tokens.claims(token)
            return None
        return self._refusal if check is TokenCheck.INVALID else NO_CHECK


class Passwords:
    """Checks passwords of users in threads of their own, and remembers those that were right."""

    def __init__(self, users: Mapping[str, str], clock: Callable[[], float]) -> None:
        """`users`: stored passwords by name; none is unknown."""
        self._users = {name: read_hash(stored) for name, stored in users.items()}
        self._nobody = next(iter(self._users.values()))
        """Checked for unknown names, so that they take the same time as the known ones."""
        self._clock = clock
        self._secret = secrets.token_bytes(32)
        self._right: dict[bytes, float] = {}
        self._threads = ThreadPoolExecutor(2, "passwords")
        self._checking = 0

    def known(self, user: str, password: bytes) -> bool | None:
        """Tell whether a password is right; None when that takes a while."""
        until = self._right.get(self._key(user, password))
        if until is not None and until > self._clock():
            return True
        hashed = self._users.get(user, self._nobody)
        if hashed.slow:
            return None
        return hashed.matches(password) and user in self._users

    async def check(self, user: str, password: bytes) -> bool | None:
        """Tell whether a password is right; None when too many are being checked."""
        if self._checking >= MAX_CHECKING:
            return None
        hashed: PasswordHash = self._users.get(user, self._nobody)
        self._checking += 1
        try:
            matches = await asyncio.get_running_loop().run_in_executor(self._threads, hashed.matches, password)
        finally:
            self._checking -= 1
        if not matches or user not in self._users:
            return False
        if len(self._right) >= KNOWN_PASSWORDS:
            del self._right[next(iter(self._right))]
        self._right[self._key(user, password)] = self._clock() + TRUST
        return True

    def _key(self, user: str, password: bytes) -> bytes:
        return blake2b(b"%d:%b:%b" % (len(user), user.encode(), password), key=self._secret, digest_size=32).digest()


def read_credentials(value: bytes) -> tuple[str, bytes] | None:
    """Return name and password of Basic credentials (RFC 7617); None when they are malformed."""
    try:
        name, colon, password = base64.b64decode(value.strip(), validate=True).partition(b":")
        return (name.decode(), password) if colon else None
    except (binascii.Error, ValueError):
        return None
