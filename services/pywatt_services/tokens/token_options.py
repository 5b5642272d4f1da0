"""Reads the block `auth.jwt`, the rules for JSON Web Tokens, into frozen options."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from pywatt.errors import MeshError
from pywatt.mesh.address import ServiceAddress, locate
from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.tokens.token_keys import TokenKey, UnusableKey, read_jwks, read_pem

SOURCES = ("secret", "publicKey", "jwks", "oidc")
Keys = tuple[TokenKey, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenOptions:
    """Rules for JSON Web Tokens."""

    keys: Keys = ()
    jwks_url: str | None = None
    """URL of the keys; None: `keys` are all there are."""
    discovery: bool = False
    """True when `jwks_url` is the address of the issuer's metadata, which name the URL of the keys."""
    issuer: str | None = None
    audience: tuple[str, ...] = ()
    require_expiry: bool = True
    """True if a token must have an expiry time."""
    clock_tolerance: float = 0.0
    """Seconds by which the issuer's clock may be ahead or behind."""


def can_check_tokens() -> bool:
    """Tell whether the libraries for JSON Web Tokens are installed."""
    return find_spec("jwt") is not None and find_spec("cryptography") is not None


def token_options(entry: Mapping[str, Any], folder: Path, report_problem: ReportProblem) -> TokenOptions | None:
    """Read the block."""
    given = [name for name in SOURCES if name in entry]
    if len(given) != 1:
        report_problem("auth.jwt", f"one of {', '.join(SOURCES)} is needed", "a secret, or public keys")
        return None
    (source,) = given
    text: str = entry[source]
    url: str | None = None
    keys: Keys | None = ()
    if source == "oidc":
        # OpenID Connect Discovery 1.0, section 4
        url = text.rstrip("/") + "/.well-known/openid-configuration"
        _check_url("auth.jwt.oidc", text, report_problem)
    elif source == "jwks" and "://" in text:
        url = text
        _check_url("auth.jwt.jwks", text, report_problem)
    elif source == "secret":
        keys = (TokenKey("HS256", text),)
    else:
        keys = _public_keys(source, text, folder, report_problem)
    if keys is None:
        return None
    audience = entry.get("audience", ())
    return TokenOptions(
        keys=keys,
        jwks_url=url,
        discovery=source == "oidc",
        issuer=entry.get("issuer", text if source == "oidc" else None),
        audience=(audience,) if isinstance(audience, str) else tuple(audience),
        require_expiry=entry.get("requireExpiry", True),
        clock_tolerance=entry.get("clockTolerance", 0) / 1000,
    )


def is_safe(url: str) -> bool:
    """Tell whether nobody on the way can exchange what is fetched from a URL. Raises MeshError for an invalid one."""
    return url.startswith("https://") or isinstance(locate(url).destination, ServiceAddress)


def _check_url(key: str, url: str, report_problem: ReportProblem) -> None:
    """Report a URL whose keys could be exchanged on the way."""
    try:
        safe = is_safe(url)
    except MeshError as error:
        hint = "such as https://issuer.example/.well-known/jwks.json"
        report_problem(key, error.message, error.hint or hint)
        return
    if not safe:
        hint = "https://, or http://<id>.plt.local for a service of this app"
        report_problem(key, f"keys are not fetched from {url}: anybody on the way could exchange them", hint)


def _public_keys(source: str, text: str, folder: Path, report_problem: ReportProblem) -> Keys | None:
    """Return the keys of a text or of a file; None after a problem."""
    read: Callable[[str], Keys] = read_jwks if source == "jwks" else lambda pem: (read_pem(pem),)
    key, name = f"auth.jwt.{source}", text
    if source == "publicKey" and "-----BEGIN" in text:
        name, content = "the text", text
    else:
        try:
            content = (folder / text).read_text("utf-8")
        except (OSError, UnicodeDecodeError) as error:
            reason = error.strerror if isinstance(error, OSError) else "it is not text"
            what = "a PEM file, or its text" if source == "publicKey" else "a JSON Web Key Set, or its URL"
            report_problem(key, f"{text} cannot be read: {reason}", f"{what}; paths begin at the service's folder")
            return None
    if not can_check_tokens():
        return ()  # the start says so
    try:
        return read(content)
    except UnusableKey as error:
        report_problem(key, f"{name} cannot be used: {error.message}", error.hint)
        return None
