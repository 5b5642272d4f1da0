"""Keys for token verification: supported keys, and errors for the others."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from pywatt_services.kafka_hooks.auth.admission import Admission
from pywatt_services.kafka_hooks.auth.options import AuthOptions, auth_options
from pywatt_services.tokens.token_keys import TokenKey, UnusableKey, candidates, read_jwks, read_pem

NOW = 1_700_000_000.0
RSA = rsa.generate_private_key(65537, 2048)
EC = ec.generate_private_key(ec.SECP256R1())
ED = ed25519.Ed25519PrivateKey.generate()
OF: dict[str, Any] = {"RS256": RSA, "ES256": EC, "EdDSA": ED}


def pem(key: Any) -> str:
    text: bytes = key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    return text.decode()


def jwk(algorithm: str, **more: Any) -> dict[str, Any]:
    kind: Any = {"RS256": RSAAlgorithm, "ES256": ECAlgorithm, "EdDSA": OKPAlgorithm}[algorithm]
    return {**json.loads(kind.to_jwk(OF[algorithm].public_key())), "kid": algorithm, **more}


def options(folder: Path, **settings: Any) -> tuple[AuthOptions | None, list[tuple[str, str, str]]]:
    problems: list[tuple[str, str, str]] = []
    found = auth_options({"jwt": settings}, folder=folder, report_problem=lambda *problem: problems.append(problem))
    return found, problems


def admits(found: AuthOptions | None, token: str) -> bool:
    assert found is not None
    return Admission(found, now=lambda: NOW).rejection([(b"authorization", f"Bearer {token}".encode())]) is None


@pytest.mark.parametrize("algorithm", list(OF))
def test_public_key_says_its_algorithm(algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "key.pem").write_text(pem(OF[algorithm]))
    found, problems = options(tmp_path, publicKey="key.pem")
    assert not problems
    for other, key in OF.items():
        assert admits(found, jwt.encode({"exp": NOW + 1}, key, other, headers={"kid": "any"})) is (other == algorithm)
    forged = base64.urlsafe_b64encode(b'{"alg":"HS256"}').decode().rstrip("=")
    assert not admits(found, f"{forged}.e30.AAAA")


@pytest.mark.parametrize("algorithm", list(OF))
def test_key_of_a_set_is_found_by_its_id(algorithm: str, tmp_path: Path) -> None:
    (tmp_path / "jwks.json").write_text(json.dumps({"keys": [jwk(each) for each in OF]}))
    found, problems = options(tmp_path, jwks="jwks.json")
    assert not problems
    claims = {"exp": NOW + 1}
    assert admits(found, jwt.encode(claims, OF[algorithm], algorithm, headers={"kid": algorithm}))
    assert admits(found, jwt.encode(claims, OF[algorithm], algorithm))
    assert not admits(found, jwt.encode(claims, OF[algorithm], algorithm, headers={"kid": "other"}))


def test_token_has_to_say_until_when_it_is_good_unless_that_is_not_wished(tmp_path: Path) -> None:
    token = jwt.encode({}, EC, "ES256")
    assert not admits(options(tmp_path, publicKey=pem(EC))[0], token)
    assert admits(options(tmp_path, publicKey=pem(EC), requireExpiry=False)[0], token)


def test_keys_of_no_use_in_a_set_are_passed_over() -> None:
    others = [
        1,
        jwk("RS256", use="enc"),
        jwk("RS256", alg="RS1"),
        jwk("ES256", crv="secp256k1"),
        {"kty": "oct", "k": "a"},
    ]
    assert [key.id for key in read_jwks(json.dumps({"keys": [*others, jwk("ES256", alg="ES256", use="sig")]}))] == [
        "ES256"
    ]


def test_which_keys_a_token_may_mean() -> None:
    named, nameless = TokenKey("ES256", "", "a"), TokenKey("ES256", "")
    assert candidates([named, nameless], "a", "ES256") == [named]
    assert candidates([named, nameless], "b", "ES256") == [nameless]
    assert candidates([named, nameless], None, "ES256") == [named, nameless]
    assert candidates([named, nameless], "a", "RS256") == candidates([named], "b", "ES256") == []
    assert candidates([named], ["a"], "none") == []


PRIVATE = EC.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
K256 = pem(ec.generate_private_key(ec.SECP256K1()))
BROKEN = "-----BEGIN PUBLIC KEY-----\ngarbage\n-----END PUBLIC KEY-----\n"
CERTIFICATE = "-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n"


@pytest.mark.parametrize(
    ("source", "content", "message", "hint"),
    [
        ("publicKey", BROKEN, "it is no public key in PEM form", "Ed25519"),
        ("publicKey", "hello", "it is no public key in PEM form", "Ed25519"),
        ("publicKey", PRIVATE, "it is a private key", "openssl pkey"),
        ("publicKey", CERTIFICATE, "it is a certificate", "openssl x509"),
        ("publicKey", K256, "of a kind that is not supported", "P-256"),
        ("jwks", "{", "it is not JSON", "JSON Web Key Set"),
        ("jwks", "[]", "no list of keys", "JSON Web Key Set"),
        ("jwks", '{"keys": []}', "no key that can be used", "Ed25519"),
        ("jwks", json.dumps({"keys": [jwk("ES256", x="AA")]}), "its key 'ES256' cannot be read", "Ed25519"),
        ("jwks", json.dumps({"keys": [jwk("ES256", d="AA")]}), "its key 'ES256' is a private one", "leave out d"),
    ],
)
def test_key_that_cannot_be_used_is_named_with_its_file(
    source: str, content: str, message: str, hint: str, tmp_path: Path
) -> None:
    (tmp_path / "keys").write_text(content)
    ((key, said, hint_text),) = options(tmp_path, **{source: "keys"})[1]
    assert key == f"auth.jwt.{source}"
    assert said.startswith("keys cannot be used: ")
    assert message in said
    assert hint in hint_text


@pytest.mark.parametrize(
    ("jwks", "fine"),
    [
        ("https://issuer.example/jwks.json", True),
        ("http://api.plt.local/jwks", True),
        ("http://issuer.example/jwks.json", False),
        ("http://127.0.0.1/jwks.json", False),
        ("ftp://issuer.example/jwks.json", False),
        ("nowhere.json", False),
    ],
)
def test_keys_are_fetched_only_where_nobody_can_exchange_them(jwks: str, fine: bool, tmp_path: Path) -> None:
    problems = options(tmp_path, jwks=jwks)[1]
    assert [key for key, *_ in problems] == ([] if fine else ["auth.jwt.jwks"])


def test_text_that_is_no_key_is_not_repeated() -> None:
    with pytest.raises(UnusableKey) as caught:
        read_pem(BROKEN)
    assert "garbage" not in str(caught.value)
