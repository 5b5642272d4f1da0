"""Passwords and their hashes."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable

import bcrypt
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.gateway.policies.passwords import UnknownHash, read_hash, uses_bcrypt

SALT = b"0123456789abcdef"


def plain64(data: bytes) -> str:
    return base64.b64encode(data).decode().rstrip("=")


def scrypt(password: bytes, salt: bytes = SALT) -> bytes:
    return hashlib.scrypt(password, salt=salt, n=16, r=8, p=1)


def pbkdf2(password: bytes, name: str = "sha256") -> bytes:
    return hashlib.pbkdf2_hmac(name, password, SALT, 10)


FORMS: dict[str, Callable[[bytes], str]] = {
    "bcrypt": lambda password: bcrypt.hashpw(password, bcrypt.gensalt(4)).decode(),
    "htpasswd": lambda password: bcrypt.hashpw(password, bcrypt.gensalt(4)).decode().replace("$2b$", "$2y$"),
    "PHC scrypt": lambda password: f"$scrypt$ln=4,r=8,p=1${plain64(SALT)}${plain64(scrypt(password))}",
    "Werkzeug scrypt": lambda password: f"scrypt:16:8:1${SALT.decode()}${scrypt(password).hex()}",
    "Werkzeug PBKDF2": lambda password: f"pbkdf2:sha512:10${SALT.decode()}${pbkdf2(password, 'sha512').hex()}",
    "Django": lambda password: f"pbkdf2_sha256$10${SALT.decode()}${base64.b64encode(pbkdf2(password)).decode()}",
    "plain": lambda password: password.decode(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_right_password_alone_matches(form: str) -> None:
    stored = FORMS[form]("p4ss wörd".encode())
    read = read_hash(stored)
    assert read.slow is (form != "plain")
    assert uses_bcrypt(stored) is (form in ("bcrypt", "htpasswd"))
    assert read.matches("p4ss wörd".encode())
    for wrong in (b"", b"p4ss", "p4ss wörd ".encode(), stored.encode() if form != "plain" else b"x", b"\0"):
        assert not read.matches(wrong)


def test_bcrypt_looks_at_72_bytes_as_everywhere() -> None:
    read = read_hash(bcrypt.hashpw(b"x" * 72, bcrypt.gensalt(4)).decode())
    assert read.matches(b"x" * 100)
    assert not read.matches(b"x" * 71)


@pytest.mark.parametrize(
    "stored",
    [
        "$argon2id$v=19$m=65536,t=3,p=4$c29tZXNhbHQ$aGFzaA",
        "$apr1$salt$hash",
        "$2b$31$" + "a" * 53,
        "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=",
        "argon2$argon2id$v=19$m=8",
        "scrypt:1073741824:8:1$salt$00",
        "scrypt:15:8:1$salt$00",
        "pbkdf2:sha256:0$salt$00",
        "$scrypt$ln=40,r=8,p=1$c2FsdA$aGFzaA",
    ],
)
def test_a_hash_that_cannot_be_checked_is_not_taken_for_a_password(stored: str) -> None:
    with pytest.raises(UnknownHash):
        read_hash(stored)


@given(st.text(max_size=80))
def test_any_text_is_a_password_a_hash_or_refused(stored: str) -> None:
    try:
        read = read_hash(stored)
    except ValueError:
        return
    if not read.slow:
        assert read.matches(stored.encode("utf-8", "surrogatepass"))
