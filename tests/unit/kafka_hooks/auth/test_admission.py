"""Admission of clients by API keys and JSON Web Tokens."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from pywatt_services.kafka_hooks.auth.admission import Admission
from pywatt_services.kafka_hooks.auth.options import auth_options
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.tokens.tokens import KNOWN_TOKENS

NOW = 1_700_000_000.0
SECRET = "a secret of at least 32 bytes, as it should be"
RSA = rsa.generate_private_key(65537, 2048)
PUBLIC = (
    RSA.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo).decode()
)


def unexpected(key: str, message: str, hint: str) -> None:
    raise AssertionError((key, message, hint))


class Gate:
    def __init__(self, settings: dict[str, Any], folder: Path = Path()) -> None:
        self.now = NOW
        options = auth_options(settings, folder=folder, report_problem=unexpected)
        assert options is not None
        self.admission = Admission(options, now=lambda: self.now)

    def admits(self, *headers: tuple[bytes, bytes]) -> bool:
        return self.admission.rejection([(b"host", b"a"), *headers]) is None

    def admits_token(self, token: str) -> bool:
        return self.admits((b"authorization", f"bearer  {token}".encode()))


def token(key: Any = SECRET, algorithm: str = "HS256", **claims: Any) -> str:
    return jwt.encode(claims, key, algorithm)


def test_api_keys() -> None:
    gate = Gate({"apiKeys": ["one", "two"]})
    assert gate.admits((b"x-api-key", b"one"))
    assert gate.admits((b"x-api-key", b"two"))
    assert not gate.admits((b"x-api-key", b"three"))
    assert not gate.admits((b"x-other", b"one"))
    assert not gate.admits_token("one")
    rejection = gate.admission.rejection([])
    assert isinstance(rejection, HttpResponse)
    assert (rejection.status, dict(rejection.headers)[b"www-authenticate"]) == (401, b'ApiKey header="x-api-key"')
    assert Gate({"apiKeys": ["one"], "header": "X-Key"}).admits((b"x-key", b"one"))


def test_shared_secret() -> None:
    gate = Gate({"jwt": {"secret": SECRET, "issuer": "me", "audience": ["kafka", "x"]}})
    claims: dict[str, Any] = {"iss": "me", "aud": "kafka", "exp": NOW + 100}
    assert gate.admits_token(token(**claims))
    for wrong in (
        token(**{**claims, "iss": "you"}),
        token(**{**claims, "aud": "other"}),
        token(**{**claims, "exp": NOW}),
        token(**{**claims, "exp": "soon"}),
        token(**claims, nbf=NOW + 1),
        token(iss="me", exp=NOW + 100),
        token("another secret of at least 32 bytes, really", **claims),
        token(RSA, "RS256", **claims),
        jwt.encode(claims, "", "none"),
        "no.token.at-all",
        "",
    ):
        assert not gate.admits_token(wrong)
    rejection = gate.admission.rejection([])
    assert isinstance(rejection, HttpResponse)
    assert dict(rejection.headers)[b"www-authenticate"] == b"Bearer"


def test_one_of_several_credentials_is_enough() -> None:
    gate = Gate({"apiKeys": ["one"], "jwt": {"secret": SECRET}})
    stale, good = (b"authorization", b"Bearer stale"), (b"authorization", f"Bearer {token(exp=NOW + 9)}".encode())
    for credential in ((b"x-api-key", b"one"), good):
        assert gate.admits(stale, credential)
        assert gate.admits(credential, stale)
    assert not gate.admits(stale, (b"x-api-key", b"two"))


def test_public_key_as_text_or_file(tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(PUBLIC)
    for key in (PUBLIC, "key.pem"):
        gate = Gate({"jwt": {"publicKey": key}}, tmp_path)
        assert gate.admits_token(token(RSA, "RS256", exp=NOW + 1))
        assert not gate.admits_token(token(rsa.generate_private_key(65537, 2048), "RS256", exp=NOW + 1))
        assert not gate.admits_token(token(exp=NOW + 1))


def test_token_is_not_believed_longer_than_it_says() -> None:
    gate = Gate({"jwt": {"secret": SECRET, "requireExpiry": False}})
    short, forever = token(exp=NOW + 10), token()
    assert gate.admits_token(short)
    assert gate.admits_token(forever)
    gate.now += 9
    assert gate.admits_token(short)
    gate.now += 1
    assert not gate.admits_token(short)
    gate.now += 1000
    assert gate.admits_token(forever)


def test_known_tokens_are_bounded() -> None:
    gate = Gate({"jwt": {"secret": SECRET}})
    for number in range(KNOWN_TOKENS + 10):
        assert gate.admits_token(token(n=number, exp=NOW + 1))
    assert gate.admission._tokens is not None
    assert len(gate.admission._tokens._known) == KNOWN_TOKENS


@pytest.mark.parametrize(
    ("settings", "key"),
    [
        ({}, "auth"),
        ({"apiKeys": [""]}, "auth.apiKeys"),
        ({"jwt": {}}, "auth.jwt"),
        ({"jwt": {"secret": "a", "publicKey": "b"}}, "auth.jwt"),
        ({"jwt": {"publicKey": "nowhere.pem"}}, "auth.jwt.publicKey"),
    ],
)
def test_what_makes_no_sense_is_named(settings: dict[str, Any], key: str, tmp_path: Path) -> None:
    seen: list[str] = []
    auth_options(settings, folder=tmp_path, report_problem=lambda key, *_: seen.append(key))
    assert seen == [key]


def test_secrets_are_in_no_representation() -> None:
    options = auth_options({"apiKeys": ["one"], "jwt": {"secret": SECRET}}, folder=Path(), report_problem=unexpected)
    assert "secret" not in repr(options)
    assert "digest" not in repr(options)
