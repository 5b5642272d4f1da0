"""Reads the keys for JSON Web Tokens: a shared secret, a public key, or a set of them (JWKS, RFC 7517)."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes

SUPPORTED = "RSA (RS256), EC (ES256 on P-256, ES384, ES512) and Ed25519 (EdDSA)"
_JWK_ALGORITHMS = {
    ("RSA", None): ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"),
    ("EC", "P-256"): ("ES256",),
    ("EC", "P-384"): ("ES384",),
    ("EC", "P-521"): ("ES512",),
    ("OKP", "Ed25519"): ("EdDSA",),
}
"""Algorithms by kty and crv, the first for a key without `alg`; RFC 7518 section 6, RFC 8037 section 2."""


class UnusableKey(ValueError):
    """A key that tokens cannot be checked with: the problem and a hint."""

    def __init__(self, message: str, hint: str = f"public keys are {SUPPORTED}") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True)
class TokenKey:
    """One key, and the only algorithm that it is used with: a public key is never taken for a secret."""

    algorithm: str
    text: str = field(repr=False)
    """The secret, or the public key as PEM."""
    id: str | None = None
    """Its `kid`; None: it matches any token."""


def candidates(keys: Sequence[TokenKey], id_: object, algorithm: object) -> list[TokenKey]:
    """Return the keys for a token's header: those with its `kid`, else those without one."""
    named = [key for key in keys if key.id == id_] if id_ is not None else list(keys)
    return [key for key in named or keys if key.algorithm == algorithm and (named or key.id is None)]


def read_pem(text: str) -> TokenKey:
    """Return a public key. Raises UnusableKey."""
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_public_key

    if "PRIVATE KEY-----" in text:
        raise UnusableKey("it is a private key", "`openssl pkey -in FILE -pubout` makes the public one of it")
    if "-----BEGIN CERTIFICATE" in text:
        raise UnusableKey("it is a certificate", "`openssl x509 -in FILE -pubkey -noout` shows its public key")
    try:
        return TokenKey(_algorithm(load_pem_public_key(text.encode())), text)
    except (ValueError, UnsupportedAlgorithm) as error:
        reason = error.message if isinstance(error, UnusableKey) else "it is no public key in PEM form"
        raise UnusableKey(reason) from error


def read_jwks(text: str | bytes) -> tuple[TokenKey, ...]:
    """Return the keys of a set that are for signatures and of a supported kind. Raises UnusableKey."""
    try:
        document = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise UnusableKey(f"it is not JSON: {error}", 'a JSON Web Key Set: {"keys": [...]}') from error
    entries = document.get("keys") if isinstance(document, dict) else None
    if not isinstance(entries, list):
        raise UnusableKey("it has no list of keys", 'a JSON Web Key Set: {"keys": [...]}')
    keys = tuple(key for entry in entries if (key := _jwk(entry)) is not None)
    if not keys:
        raise UnusableKey("it has no key that can be used")
    return keys


def _jwk(entry: Any) -> TokenKey | None:
    """Return a key of a set; None for one that is for something else."""
    import jwt
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    if not isinstance(entry, Mapping) or entry.get("use", "sig") != "sig":
        return None
    kind, curve = entry.get("kty"), entry.get("crv")
    algorithms = _JWK_ALGORITHMS.get((str(kind), curve if isinstance(curve, str) else None), ())
    algorithm = entry.get("alg", algorithms[0] if algorithms else None)
    if algorithm not in algorithms:
        return None
    id_ = entry.get("kid")
    if "d" in entry:
        raise UnusableKey(f"its key {id_!r:.60} is a private one", "leave out d, and what else is private")
    try:
        key = jwt.PyJWK(dict(entry), algorithm).key
        text = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()
    except (jwt.PyJWTError, ValueError, TypeError) as error:
        raise UnusableKey(f"its key {id_!r:.60} cannot be read") from error
    return TokenKey(algorithm, text, id_ if isinstance(id_, str) else None)


def _algorithm(key: PublicKeyTypes) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, rsa.RSAPublicKey):
        return "RS256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "EdDSA"
    if isinstance(key, ec.EllipticCurvePublicKey):
        found = {"secp256r1": "ES256", "secp384r1": "ES384", "secp521r1": "ES512"}.get(key.curve.name)
        if found is not None:
            return found
    raise UnusableKey("it is a public key of a kind that is not supported")
