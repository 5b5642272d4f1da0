"""Tokens: clock tolerance, claims, algorithms of key sets, and issuers that say where their keys are."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from pywatt.mesh.client import MeshClient
from pywatt_services.tokens.fetched_keys import fetch_keys
from pywatt_services.tokens.token_keys import UnusableKey, read_jwks
from pywatt_services.tokens.token_options import TokenOptions, token_options
from pywatt_services.tokens.tokens import FixedKeys, TokenCheck, Tokens

pytestmark = pytest.mark.anyio

NOW = 1_700_000_000.0
SECRET = "a secret of at least 32 bytes, as it should be"
RSA = rsa.generate_private_key(65537, 2048)
ISSUER = "https://login.example/realms/shop"


def read(**settings: Any) -> TokenOptions:
    problems: list[tuple[str, str, str]] = []
    found = token_options(settings, Path(), lambda *problem: problems.append(problem))
    assert not problems
    assert found is not None
    return found


def tokens(options: TokenOptions, now: float = NOW) -> Tokens:
    return Tokens(options, FixedKeys(options.keys), now=lambda: now)


@pytest.mark.parametrize(
    ("claims", "tolerance", "valid"),
    [
        ({"exp": NOW - 4}, 5000, True),
        ({"exp": NOW - 6}, 5000, False),
        ({"exp": NOW - 1}, 0, False),
        ({"exp": NOW + 9, "nbf": NOW + 4}, 5000, True),
        ({"exp": NOW + 9, "nbf": NOW + 6}, 5000, False),
    ],
)
def test_the_issuer_s_clock_may_differ(claims: dict[str, float], tolerance: int, valid: bool) -> None:
    token = jwt.encode(claims, SECRET, "HS256").encode()
    check = tokens(read(secret=SECRET, clockTolerance=tolerance)).check(token)
    assert (check is TokenCheck.VALID) is valid


def test_a_valid_token_has_its_claims() -> None:
    checked = tokens(read(secret=SECRET))
    token = jwt.encode({"exp": NOW + 9, "sub": "ann", "roles": ["a", "b"]}, SECRET, "HS256").encode()
    assert checked.claims(token) == {}
    for _ in range(2):
        assert checked.check(token) is TokenCheck.VALID
        assert checked.claims(token)["roles"] == ["a", "b"]


@pytest.mark.parametrize("algorithm", ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"])
def test_a_key_of_a_set_is_used_with_its_algorithm_alone(algorithm: str) -> None:
    entry = {**RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True), "alg": algorithm}
    checked = tokens(TokenOptions(keys=read_jwks(json.dumps({"keys": [entry]}))))
    for used in ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"):
        token = jwt.encode({"exp": NOW + 9}, RSA, used).encode()
        assert (checked.check(token) is TokenCheck.VALID) is (used == algorithm)


@pytest.mark.parametrize(("curve", "algorithm"), [(ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")])
def test_a_curve_says_its_algorithm(curve: ec.EllipticCurve, algorithm: str) -> None:
    key = ec.generate_private_key(curve)
    entry = ECAlgorithm.to_jwk(key.public_key(), as_dict=True)
    checked = tokens(TokenOptions(keys=read_jwks(json.dumps({"keys": [entry]}))))
    assert checked.check(jwt.encode({"exp": NOW + 9}, key, algorithm).encode()) is TokenCheck.VALID


def mesh(answers: dict[str, tuple[int, Any]]) -> MeshClient:
    async def request(method: str, url: str, *, timeout: float) -> Any:
        status, document = answers[url]
        return SimpleNamespace(status=status, body=json.dumps(document).encode())

    return cast(MeshClient, SimpleNamespace(request=request))


METADATA = f"{ISSUER}/.well-known/openid-configuration"


async def test_an_issuer_says_where_its_keys_are() -> None:
    options = read(oidc=ISSUER)
    assert options.issuer == ISSUER
    keys = {"keys": [RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True)]}
    found = mesh(
        {
            METADATA: (200, {"issuer": ISSUER, "jwks_uri": "https://login.example/keys"}),
            "https://login.example/keys": (200, keys),
        }
    )
    assert read_jwks(await fetch_keys(found, options)())


@pytest.mark.parametrize(
    ("status", "document", "message"),
    [
        (500, {}, "answered 500"),
        (200, [], "does not name the issuer"),
        (200, {"issuer": "https://evil.example", "jwks_uri": "https://evil.example/keys"}, "does not name the issuer"),
        (200, {"issuer": ISSUER}, "no https:// address"),
        (200, {"issuer": ISSUER, "jwks_uri": "http://login.example/keys"}, "no https:// address"),
    ],
)
async def test_metadata_that_cannot_be_trusted(status: int, document: Any, message: str) -> None:
    with pytest.raises(UnusableKey, match=message):
        await fetch_keys(mesh({METADATA: (status, document)}), read(oidc=ISSUER))()


def test_an_issuer_has_to_be_asked_safely() -> None:
    problems: list[tuple[str, str, str]] = []
    token_options({"oidc": "http://login.example"}, Path(), lambda *problem: problems.append(problem))
    assert [key for key, _, _ in problems] == ["auth.jwt.oidc"]
