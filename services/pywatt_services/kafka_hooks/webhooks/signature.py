"""Signs webhook requests after Standard Webhooks 1.0: symmetric (v1, HMAC-SHA256), asymmetric (v1a, ed25519).

The signed content is `<id>.<timestamp>.<body>`. Several keys make several signatures, so that a key can be replaced
while receivers only know the old one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

SYMMETRIC, ASYMMETRIC = "whsec_", "whsk_"
"""Prefixes of the two kinds of keys."""
SECRET_BYTES = range(24, 65)
SEED_BYTES = 32  # of an ed25519 key; the public half may follow it


@dataclass(frozen=True, slots=True)
class SigningKey:
    """One key; never shown."""

    asymmetric: bool
    secret: bytes = field(repr=False)


def read_key(text: str) -> SigningKey:
    """Read a key. Raises ValueError, which does not show it."""
    for prefix, sizes in ((SYMMETRIC, SECRET_BYTES), (ASYMMETRIC, (SEED_BYTES, 2 * SEED_BYTES))):
        if not text.startswith(prefix):
            continue
        try:
            secret = base64.b64decode(text.removeprefix(prefix), validate=True)
        except binascii.Error:
            raise ValueError(f"what follows {prefix} is not base64") from None
        if len(secret) not in sizes:
            expected = f"{sizes[0]} to {sizes[-1]}" if prefix == SYMMETRIC else f"{sizes[0]}"
            raise ValueError(f"what follows {prefix} has {len(secret)} bytes, not {expected}")
        return SigningKey(prefix == ASYMMETRIC, secret[:SEED_BYTES] if prefix == ASYMMETRIC else secret)
    raise ValueError(f"a key begins with {SYMMETRIC} (HMAC-SHA256) or {ASYMMETRIC} (ed25519)")


class Signer:
    """Signs with all of its keys."""

    def __init__(self, keys: Sequence[SigningKey]) -> None:
        self._keys = tuple(keys)

    def sign(self, id_: bytes, timestamp: bytes, body: bytes) -> bytes:
        """Return the value of `webhook-signature`. Raises ImportError for an asymmetric key without `cryptography`."""
        content = b"%b.%b.%b" % (id_, timestamp, body)
        return b" ".join(
            b"v1a," + base64.b64encode(self._private[key.secret].sign(content))
            if key.asymmetric
            else b"v1," + base64.b64encode(hmac.digest(key.secret, content, hashlib.sha256))
            for key in self._keys
        )

    @cached_property
    def _private(self) -> dict[bytes, Ed25519PrivateKey]:
        from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

        return {key.secret: Ed25519PrivateKey.from_private_bytes(key.secret) for key in self._keys if key.asymmetric}
