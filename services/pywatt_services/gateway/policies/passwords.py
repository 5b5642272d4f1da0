"""Checks passwords against their hashes.

Known forms: bcrypt (`$2b$...`, what `htpasswd -B` makes); scrypt and PBKDF2 as Werkzeug writes them
(`scrypt:32768:8:1$...`, `pbkdf2:sha256:600000$...`); PBKDF2 as Django does (`pbkdf2_sha256$...`); scrypt in PHC form
(`$scrypt$ln=14,r=8,p=1$...`). A password without a hash is taken as it is.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeAlias

BCRYPT = re.compile(r"\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}")
BCRYPT_BYTES = 72
"""Bytes of a password that bcrypt looks at."""
MAX_BCRYPT_COST = 16
_PHC_SCRYPT = re.compile(r"\$scrypt\$ln=(\d{1,2}),r=(\d{1,3}),p=(\d{1,3})\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)")
_SCRYPT = re.compile(r"scrypt:(\d{1,8}):(\d{1,3}):(\d{1,3})\$([^$]+)\$([0-9a-f]+)")
_PBKDF2 = re.compile(r"pbkdf2:(sha1|sha256|sha512):(\d{1,8})\$([^$]+)\$([0-9a-f]+)")
_DJANGO = re.compile(r"pbkdf2_(sha1|sha256|sha512)\$(\d{1,8})\$([^$]+)\$([A-Za-z0-9+/=]+)")
_LOOKS_HASHED = re.compile(r"\$[A-Za-z0-9-]+\$|(scrypt|pbkdf2|argon2|bcrypt|md5|sha1)[_:$].*\$|\{[A-Z0-9]+\}")
MAX_MEMORY = 256 * 1024 * 1024

Matches: TypeAlias = "Callable[[bytes], bool]"


class UnknownHash(ValueError):
    """A hash that cannot be checked: the reason."""


@dataclass(frozen=True, slots=True)
class PasswordHash:
    """A way to check passwords."""

    matches: Matches
    """Compares in constant time."""
    slow: bool
    """True when a check takes many milliseconds, as it should."""


def uses_bcrypt(stored: str) -> bool:
    """Tell whether a hash needs the package bcrypt."""
    return BCRYPT.fullmatch(stored) is not None


def read_hash(stored: str) -> PasswordHash:
    """Return the check for a stored password. Raises UnknownHash."""
    found = BCRYPT.fullmatch(stored)
    if found is not None:
        if int(found[1]) > MAX_BCRYPT_COST:
            raise UnknownHash(f"its cost is above {MAX_BCRYPT_COST}")
        return PasswordHash(_bcrypt(stored), slow=True)
    found = _PHC_SCRYPT.fullmatch(stored)
    if found is not None:
        return _scrypt(2 ** int(found[1]), int(found[2]), int(found[3]), _unpadded(found[4]), _unpadded(found[5]))
    found = _SCRYPT.fullmatch(stored)
    if found is not None:
        return _scrypt(int(found[1]), int(found[2]), int(found[3]), found[4].encode(), bytes.fromhex(found[5]))
    found = _PBKDF2.fullmatch(stored)
    if found is not None:
        return _pbkdf2(found[1], int(found[2]), found[3].encode(), bytes.fromhex(found[4]))
    found = _DJANGO.fullmatch(stored)
    if found is not None:
        return _pbkdf2(found[1], int(found[2]), found[3].encode(), base64.b64decode(found[4]))
    if _LOOKS_HASHED.match(stored):
        raise UnknownHash("it is a hash of a kind that is not known here")
    digest = _digest(stored.encode())
    return PasswordHash(lambda password: hmac.compare_digest(_digest(password), digest), slow=False)


def _digest(password: bytes) -> bytes:
    return hashlib.sha256(password).digest()


def _unpadded(text: str) -> bytes:
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _bcrypt(stored: str) -> Matches:
    def matches(password: bytes) -> bool:
        import bcrypt

        if b"\0" in password:
            return False
        return bcrypt.checkpw(password[:BCRYPT_BYTES], stored.encode())

    return matches


def _scrypt(cost: int, block: int, parallel: int, salt: bytes, expected: bytes) -> PasswordHash:
    memory = 128 * block * (cost + parallel + 2)
    if cost < 2 or cost & (cost - 1) or not block or not parallel or memory > MAX_MEMORY or parallel > 16:
        raise UnknownHash(f"its cost is no power of two, or needs more than {MAX_MEMORY >> 20} MB")
    if not expected:
        raise UnknownHash("it is empty")

    def matches(password: bytes) -> bool:
        made = hashlib.scrypt(
            password, salt=salt, n=cost, r=block, p=parallel, maxmem=memory + 2**20, dklen=len(expected)
        )
        return hmac.compare_digest(made, expected)

    return PasswordHash(matches, slow=True)


def _pbkdf2(algorithm: str, rounds: int, salt: bytes, expected: bytes) -> PasswordHash:
    if not 1 <= rounds <= 10_000_000 or not expected:
        raise UnknownHash("its number of iterations is not possible")

    def matches(password: bytes) -> bool:
        return hmac.compare_digest(hashlib.pbkdf2_hmac(algorithm, password, salt, rounds, len(expected)), expected)

    return PasswordHash(matches, slow=True)
