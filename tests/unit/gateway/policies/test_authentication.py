"""Clients have to show credentials, and services learn who they are."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import json
import time
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import rsa
from jwt.algorithms import RSAAlgorithm

from pywatt.errors import ConnectFailed
from pywatt.service_type import OptionsError, Placement
from pywatt_services.gateway import TYPE
from pywatt_services.gateway.policies.authentication import MAX_CHECKING, Passwords, read_credentials
from pywatt_services.gateway.policies.route_policy import PolicyContext
from pywatt_services.tokens.fetched_keys import FetchedKeys

pytestmark = pytest.mark.anyio
Scene = Any
MakeScene = Callable[..., Scene]
SECRET = "a secret of at least 32 bytes, as it should be"
HASH = f"scrypt:16:8:1$salt${hashlib.scrypt(b'secret', salt=b'salt', n=16, r=8, p=1).hex()}"
NOTHING = b"HTTP/1.1 204 No Content\r\n\r\n"
RSA = rsa.generate_private_key(65537, 2048)


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def guarded(make_scene: MakeScene, auth: Any, context: PolicyContext | None = None, **proxy: Any) -> Scene:
    entry = {"id": "api", "proxy": {"auth": auth, **proxy}}
    more = {} if context is None else {"policies": context}
    return make_scene({"gateway": {"applications": [entry]}}, **more)


def basic(user: str, password: str) -> str:
    return "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()


def bearer(key: Any = SECRET, algorithm: str = "HS256", kid: str | None = None, **claims: Any) -> str:
    headers = None if kid is None else {"kid": kid}
    return "Bearer " + jwt.encode({"exp": time.time() + 60, **claims}, key, algorithm, headers)


class Caller:
    """Sends requests and tells their status; what the service has got is in `received`."""

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.received = b""
        self.response = b""

    def send(self, *headers: str) -> Any:
        client, transport = self.scene.connect()
        lines = "".join(f"{header}\r\n" for header in headers)
        client.data_received(f"GET /api HTTP/1.1\r\nHost: x\r\n{lines}\r\n".encode())
        return transport

    async def ask(self, *headers: str) -> int:
        before = asyncio.all_tasks()
        services = len(self.scene.upstreams.services)
        transport = self.send(*headers)
        if new := asyncio.all_tasks() - before:
            await asyncio.wait(new)
            await asyncio.sleep(0)
        self.received = self.scene.service.received() if self.scene.upstreams.services else b""
        if self.received:
            self.scene.service.send(NOTHING)
        else:
            assert len(self.scene.upstreams.services) == services
        self.response = transport.take()
        return int(self.response.split()[1])


async def test_basic(make_scene: MakeScene) -> None:
    users = {"ann": HASH, "bob": "plain text"}
    caller = Caller(guarded(make_scene, {"basic": {"users": users, "realm": 'the "shop"'}}))
    assert await caller.ask() == 401
    assert b'www-authenticate: Basic realm="the \\"shop\\"", charset="UTF-8"\r\n' in caller.response
    for _ in range(2):  # the second time it is known
        assert await caller.ask(f"Authorization: {basic('ann', 'secret')}") == 204
    assert await caller.ask(f"authorization: {basic('bob', 'plain text').replace('Basic', 'BASIC')}") == 204
    for user, password in (("ann", "plain text"), ("ann", ""), ("bob", "secret"), ("cid", "secret"), ("", "secret")):
        assert await caller.ask(f"Authorization: {basic(user, password)}") == 401
    for malformed in ("Basic", "Basic !", "Basic " + base64.b64encode(b"ann").decode(), "Basic /w=="):
        assert await caller.ask(f"Authorization: {malformed}") == 401


async def test_api_keys(make_scene: MakeScene) -> None:
    caller = Caller(guarded(make_scene, {"apiKeys": {"shop": "one", "desk": "two"}, "header": "X-Key"}))
    assert await caller.ask("x-key: one") == 204
    assert await caller.ask("X-Key: two") == 204
    assert await caller.ask("X-Key: three") == 401
    assert b'www-authenticate: ApiKey header="x-key"\r\n' in caller.response
    assert await caller.ask("Authorization: one") == 401


async def test_tokens(make_scene: MakeScene) -> None:
    auth = {"jwt": {"secret": SECRET, "issuer": "us", "audience": "shop"}, "apiKeys": ["key"]}
    caller = Caller(guarded(make_scene, auth))
    assert await caller.ask(f"Authorization: {bearer(iss='us', aud='shop')}") == 204
    for wrong in (
        bearer(iss="them", aud="shop"),
        bearer(iss="us", aud="desk"),
        bearer("another secret of at least 32 bytes", iss="us", aud="shop"),
        bearer(iss="us", aud="shop", exp=time.time() - 1),
        "Bearer eyJhbGciOiJub25lIn0.e30.",
        "Bearer",
    ):
        assert await caller.ask(f"Authorization: {wrong}") == 401
    assert b"www-authenticate: Bearer\r\n" in caller.response
    assert await caller.ask("Authorization: Bearer x", "x-api-key: key") == 204


CLAIMS = {
    "request": {
        "set": {
            "X-User": "{claim.sub}",
            "X-Roles": "{claim.realm.roles}",
            "X-Tenant": "t-{claim.https://shop.example/tenant}",
            "X-Admin": "{claim.admin}",
        }
    }
}


async def test_claims_go_on_in_headers_that_clients_cannot_forge(make_scene: MakeScene) -> None:
    caller = Caller(guarded(make_scene, {"jwt": {"secret": SECRET}, "apiKeys": ["key"]}, headers=CLAIMS))
    more: dict[str, Any] = {"https://shop.example/tenant": 7}
    token = bearer(sub="ann\r\nX-Admin: 1", realm={"roles": ["a", "b"]}, **more)
    forged = ("X-User: root", "x_user: root", "X-ADMIN: true", "X_Admin: true", "X-Roles: all", "x-tenant: 1")
    assert await caller.ask(f"Authorization: {token}", *forged) == 204
    received = caller.received.lower()
    for line in (b"x-user: annx-admin: 1\r\n", b"x-roles: a,b\r\n", b"x-tenant: t-7\r\n"):
        assert line in received
    assert b"root" not in received
    assert b"true" not in received
    assert b"\r\nx-admin:" not in received
    # Who has no claims does not get those of the client either.
    assert await caller.ask("x-api-key: key", *forged) == 204
    assert b"root" not in caller.received
    assert b"user" not in caller.received.lower().replace(b"user-agent", b"")


async def test_a_websocket_needs_credentials_too(make_scene: MakeScene) -> None:
    caller = Caller(guarded(make_scene, {"apiKeys": ["key"]}))
    handshake = (
        "Connection: Upgrade",
        "Upgrade: websocket",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
    )
    assert await caller.ask(*handshake) == 401
    assert await caller.ask(*handshake, "x-api-key: key") == 204
    assert b"upgrade: websocket\r\n" in caller.received


async def test_preflights_carry_no_credentials(make_scene: MakeScene) -> None:
    scene = guarded(make_scene, {"apiKeys": ["key"]}, cors={"origin": "https://a.example"})
    client, transport = scene.connect()
    client.data_received(
        b"OPTIONS /api HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\nAccess-Control-Request-Method: GET\r\n\r\n"
    )
    assert transport.take().startswith(b"HTTP/1.1 204 ")
    client.data_received(b"GET /api HTTP/1.1\r\nHost: x\r\nOrigin: https://a.example\r\n\r\n")
    refused = transport.take()
    assert refused.startswith(b"HTTP/1.1 401 ")
    assert b"access-control-allow-origin: https://a.example\r\n" in refused


class Issuer:
    """Answers the fetch of its keys when the test says so."""

    def __init__(self) -> None:
        self.answers: list[asyncio.Future[bytes]] = []
        self.fetched: FetchedKeys | None = None
        self.now = 1000.0

    async def fetch(self) -> bytes:
        self.answers.append(asyncio.get_running_loop().create_future())
        return await self.answers[-1]


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    made = Issuer()
    async with anyio.create_task_group() as tasks:
        made.fetched = FetchedKeys(made.fetch, tasks, clock=lambda: made.now)
        yield made
        tasks.cancel_scope.cancel()


async def turns() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


def with_issuer(make_scene: MakeScene, issuer: Issuer) -> Scene:
    context = PolicyContext(fetched_keys=lambda _: issuer.fetched)  # type: ignore[arg-type,return-value]
    return guarded(make_scene, {"jwt": {"jwks": "https://issuer.example/keys"}}, context)


def key_set(*ids: str) -> bytes:
    entry = RSAAlgorithm.to_jwk(RSA.public_key(), as_dict=True)
    return json.dumps({"keys": [{**entry, "kid": id_} for id_ in ids]}).encode()


async def test_a_token_with_an_unknown_key_waits_for_the_fetch(make_scene: MakeScene, issuer: Issuer) -> None:
    caller = Caller(with_issuer(make_scene, issuer))
    valid = caller.send("Authorization: " + bearer(RSA, "RS256", "new"))
    invalid = caller.send("Authorization: " + bearer(RSA, "RS256", "other"))
    await turns()
    assert valid.written == invalid.written == b""
    assert not caller.scene.upstreams.services
    issuer.answers[0].set_result(key_set("new"))
    await turns()
    assert caller.scene.service.received().startswith(b"GET / ")
    assert invalid.take().startswith(b"HTTP/1.1 401 ")
    assert len(issuer.answers) == 1


async def test_keys_that_cannot_be_fetched_are_no_fault_of_the_client(make_scene: MakeScene, issuer: Issuer) -> None:
    caller = Caller(with_issuer(make_scene, issuer))
    transport = caller.send("Authorization: " + bearer(RSA, "RS256", "new"))
    await turns()
    issuer.answers[0].set_exception(ConnectFailed("no connection"))
    await turns()
    refused = transport.take()
    assert refused.startswith(b"HTTP/1.1 503 ")
    assert b"retry-after: " in refused


async def test_a_client_that_leaves_while_it_waits(make_scene: MakeScene, issuer: Issuer) -> None:
    caller = Caller(with_issuer(make_scene, issuer))
    transport = caller.send("Authorization: " + bearer(RSA, "RS256", "new"))
    await turns()
    transport.close()
    issuer.answers[0].set_result(key_set("new"))
    await turns()
    assert not caller.scene.upstreams.services


async def test_passwords_that_are_checked_at_the_same_time_are_bounded() -> None:
    passwords = Passwords({"ann": HASH}, time.monotonic)
    results = await asyncio.gather(*(passwords.check("ann", b"%d" % number) for number in range(MAX_CHECKING + 5)))
    assert results.count(None) == 5
    assert results.count(False) == MAX_CHECKING
    assert await passwords.check("ann", b"secret")


async def test_a_right_password_is_trusted_for_a_while() -> None:
    now = 100.0
    passwords = Passwords({"ann": HASH}, lambda: now)
    assert passwords.known("ann", b"secret") is None
    assert await passwords.check("ann", b"secret")
    assert passwords.known("ann", b"secret") is True
    assert passwords.known("ann", b"secre") is None
    now += 61
    assert passwords.known("ann", b"secret") is None


def test_credentials_of_rfc_7617() -> None:
    assert read_credentials(b"dGVzdDoxMjPCow==") == ("test", "123£".encode())
    assert read_credentials(base64.b64encode(b"a:b:c")) == ("a", b"b:c")
    assert read_credentials(b"dGVzdA==") is None


@pytest.mark.parametrize(
    ("auth", "message", "key"),
    [
        ({}, "names neither", "auth"),
        ({"apiKeys": [""]}, "is empty", "auth.apiKeys"),
        ({"basic": {"users": {"ann": ""}}}, "is empty", "auth.basic.users.ann"),
        ({"basic": {"users": {"a:b": "x"}}}, "colon", "auth.basic.users.a:b"),
        ({"basic": {"users": {"ann": "$apr1$x$y"}}}, "cannot be used", "auth.basic.users.ann"),
        ({"jwt": {}}, "one of secret", "auth.jwt"),
        ({"jwt": {"jwks": "http://issuer.example/keys"}}, "anybody on the way", "auth.jwt.jwks"),
        ({"jwt": {"jwks": "http://nobody.plt.local/keys"}}, "does not have", "auth.jwt.jwks"),
    ],
)
def test_problems(make_scene: MakeScene, auth: Any, message: str, key: str) -> None:
    with pytest.raises(OptionsError, match=message) as caught:
        guarded(make_scene, auth)
    assert caught.value.problems[0].key == f"gateway.applications[0].proxy.{key}"


def test_packages_that_are_needed() -> None:
    auth = {"jwt": {"secret": SECRET}, "basic": {"users": {"ann": "$2b$12$" + "a" * 53}}}
    document = {"gateway": {"defaults": {"auth": auth}}}
    configured = TYPE.configure(document, Placement(id="gateway", path=Path("/app"), services=("gateway", "api")))
    assert [need.module for need in configured.requires] == ["jwt", "cryptography", "bcrypt"]
    assert SECRET not in repr(configured.options)
    assert "$2b$" not in repr(configured.options)


@pytest.mark.parametrize("headers", [CLAIMS, False])
async def test_clients_with_different_credentials_do_not_share_a_response(make_scene: MakeScene, headers: Any) -> None:
    auth = {"apiKeys": {"ann": "one", "bob": "two"}}
    scene = guarded(make_scene, auth, headers=headers, deduplication=True)
    caller = Caller(scene)
    for key in ("one", "two", "two"):
        caller.send(f"x-api-key: {key}")
    assert len(scene.upstreams.services) == 2
