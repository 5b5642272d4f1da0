"""The options of a route's authentication, from the block `auth`."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt.errors import Problem
from pywatt.service_type import Requirement
from pywatt_services.gateway.policies.passwords import UnknownHash, read_hash, uses_bcrypt
from pywatt_services.tokens.token_options import TokenOptions, token_options

API_KEY = "x-api-key"
REALM = "Restricted"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Credentials of clients: a user's password, an API key or a token; one valid one is enough."""

    users: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    """Names and hashes of passwords."""
    realm: str = REALM
    header: str = API_KEY
    """Name of the header that carries an API key, in lower case."""
    key_digests: tuple[tuple[str, bytes], ...] = field(default=(), repr=False)
    """Names, empty for those without one, and SHA-256 of each key."""
    token: TokenOptions | None = None


def read_auth(document: Mapping[str, Any], folder: Path, where: str) -> tuple[AuthOptions | None, list[Problem]]:
    """Read the block. `where`: its key, which ends in `auth`."""
    problems: list[Problem] = []
    above = where.removesuffix("auth")

    def report(key: str, message: str, hint: str) -> None:
        problems.append(Problem(message=message, key=above + key, hint=hint))

    basic: Mapping[str, Any] | None = document.get("basic")
    given = document.get("apiKeys", ())
    keys: list[tuple[str, str]] = list(given.items()) if isinstance(given, dict) else [("", key) for key in given]
    token = document.get("jwt")
    if not basic and not keys and token is None:
        report("auth", "auth names neither basic, apiKeys nor jwt", 'such as "apiKeys": ["{API_KEY}"]')
        return None, problems
    if any(not key for _, key in keys):
        report("auth.apiKeys", "an API key is empty", "is a variable in it empty?")
    users = tuple((basic or {}).get("users", {}).items())
    for name, password in users:
        _check_user(name, password, report_problem=report)
    return AuthOptions(
        users=users,
        realm=(basic or {}).get("realm", REALM),
        header=document.get("header", API_KEY).lower(),
        key_digests=tuple((name, digest(key.encode())) for name, key in keys),
        token=None if token is None else token_options(token, folder, report),
    ), problems


def _check_user(name: str, password: str, *, report_problem: Any) -> None:
    key = f"auth.basic.users.{name}"
    if not password:
        report_problem(key, "the password is empty", "is a variable in it empty?")
        return
    if ":" in name or not name.isprintable():
        report_problem(key, "a name with a colon or a control character cannot be sent", "choose another name")
    try:
        read_hash(password)
    except (UnknownHash, ValueError) as error:
        hint = "bcrypt (htpasswd -nbB), scrypt and PBKDF2 are known: docs/gateway.md"
        report_problem(key, f"the password's hash cannot be used: {error}", hint)


def digest(key: bytes) -> bytes:
    """Return the digest of an API key, which is stored instead of the key."""
    return hashlib.sha256(key).digest()


def requirements(options: AuthOptions, where: str) -> Iterator[Requirement]:
    """Yield the packages that the options need. `where`: the key that needs them."""
    if options.token is not None:
        for module, package in (("jwt", "pyjwt"), ("cryptography", "cryptography")):
            yield Requirement(module=module, package=package, extra="jwt", needed_by=f"{where}.jwt")
    if any(uses_bcrypt(password) for _, password in options.users):
        yield Requirement(module="bcrypt", package="bcrypt", extra="bcrypt", needed_by=f"{where}.basic")
