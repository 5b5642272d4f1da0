"""Reads the block `auth`, the credentials of HTTP clients, into frozen options."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.tokens.token_options import TokenOptions, token_options

API_KEY = "x-api-key"


@dataclass(frozen=True, slots=True, kw_only=True)
class AuthOptions:
    """Credentials of clients: one of the API keys, or a token."""

    header: str = API_KEY
    """Name of the header that carries an API key, in lower case."""
    key_digests: frozenset[bytes] = field(default_factory=frozenset, repr=False)
    """SHA-256 of each key."""
    token: TokenOptions | None = None


def auth_options(settings: Mapping[str, Any], *, folder: Path, report_problem: ReportProblem) -> AuthOptions | None:
    """Read the block `auth`."""
    keys = settings.get("apiKeys", ())
    if any(not key for key in keys):
        report_problem("auth.apiKeys", "an API key is empty", "is a variable in it empty?")
    token = settings.get("jwt")
    if not keys and token is None:
        report_problem("auth", "auth names neither apiKeys nor jwt", 'such as "apiKeys": ["{PUBLISH_KEY}"]')
        return None
    return AuthOptions(
        header=settings.get("header", API_KEY).lower(),
        key_digests=frozenset(digest(key.encode()) for key in keys),
        token=None if token is None else token_options(token, folder, report_problem),
    )


def digest(key: bytes) -> bytes:
    """Return the digest of an API key, which is stored instead of the key."""
    return hashlib.sha256(key).digest()
