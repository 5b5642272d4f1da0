"""Keys from a URL are fetched once, and again for an unknown key, within the rate limit."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

import anyio
import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ed25519
from harness.context import settle
from jwt.algorithms import OKPAlgorithm

from pywatt.errors import ConnectFailed
from pywatt_kafka import ConnectionState, ConnectionStatus
from pywatt_services.kafka_hooks.auth.admission import WAIT, Admission, Later
from pywatt_services.kafka_hooks.auth.options import AuthOptions
from pywatt_services.kafka_hooks.http.exchange import HooksExchange, Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse
from pywatt_services.kafka_hooks.http.routes import Routes
from pywatt_services.kafka_hooks.publishing.options import PublishOptions
from pywatt_services.kafka_hooks.publishing.publisher import Publisher
from pywatt_services.kafka_hooks.request_router import RequestRouter
from pywatt_services.tokens.fetched_keys import MAX_AGE, MAX_WAITING, REFETCH_INTERVAL, FetchedKeys
from pywatt_services.tokens.token_options import TokenOptions

pytestmark = pytest.mark.anyio

KEY = ed25519.Ed25519PrivateKey.generate()


def key_set(*ids: str) -> bytes:
    return json.dumps(
        {"keys": [{**OKPAlgorithm.to_jwk(KEY.public_key(), as_dict=True), "kid": id_} for id_ in ids]}
    ).encode()


def shown(id_: str) -> list[tuple[bytes, bytes]]:
    token = jwt.encode({"exp": 1e10}, KEY, "EdDSA", headers={"kid": id_})
    return [(b"authorization", f"Bearer {token}".encode())]


class NoWriter:
    """A writer that must not be called."""

    status = ConnectionStatus(ConnectionState.CONNECTED)

    def post(self, *arguments: object, **more: object) -> None:
        raise AssertionError(arguments)


@dataclass
class Issuer:
    """An issuer that answers a fetch of its keys when the test allows it."""

    keys: FetchedKeys = field(init=False)
    admission: Admission = field(init=False)
    now: float = 1000.0
    fetches: asyncio.Queue[asyncio.Future[bytes]] = field(default_factory=asyncio.Queue)

    async def fetch(self) -> bytes:
        answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()
        self.fetches.put_nowait(answer)
        return await answer

    async def answer(self, *ids: str) -> None:
        (await self.fetches.get()).set_result(key_set(*ids))
        await settle()

    async def fail(self) -> None:
        (await self.fetches.get()).set_exception(ConnectFailed("cannot connect to the issuer"))
        await settle()

    def ask(self, id_: str) -> int:
        """Return the status of the rejection; 0 for an admission, 1 for a pending one."""
        rejection: HttpResponse | Later | None = self.admission.rejection(shown(id_))
        return 0 if rejection is None else rejection.status if isinstance(rejection, HttpResponse) else 1


@asynccontextmanager
async def issuer() -> AsyncIterator[Issuer]:
    async with asyncio.timeout(10), anyio.create_task_group() as tasks:
        made = Issuer()
        made.keys = FetchedKeys(made.fetch, tasks, clock=lambda: made.now)
        options = AuthOptions(token=TokenOptions(jwks_url="https://issuer.example"), key_digests=frozenset())
        made.admission = Admission(options, fetched=made.keys)
        yield made
        tasks.cancel_scope.cancel()


async def test_who_comes_before_the_keys_waits_for_them() -> None:
    async with issuer() as i:
        seen: list[int] = []
        for _ in range(2):
            assert i.admission.rejection(shown("a")) is WAIT
            assert i.admission.wait(lambda: seen.append(i.ask("a")))
        await i.answer("a")
        assert seen == [0, 0]
        assert i.fetches.empty()


class Client:
    def __init__(self) -> None:
        self.exchange = HooksExchange(self)
        self.statuses: list[int] = []

    is_same_user = True

    def respond(self, response: HttpResponse) -> None:
        self.statuses.append(response.status)


async def test_request_that_waits_is_served_once_the_keys_are_there() -> None:
    async with issuer() as i:
        publisher = Publisher(NoWriter(), PublishOptions())
        router = RequestRouter(publisher, None, Routes([]), admission=i.admission)
        good, wrong, gone = (Client() for _ in range(3))
        for client, id_ in ((good, "a"), (wrong, "b"), (gone, "a")):
            router.handle(Request("POST", "/topics/unknown", b"", shown(id_)), client.exchange)
        gone.exchange.abandon()
        assert good.statuses == wrong.statuses == []
        await i.answer("a")
        assert (good.statuses, wrong.statuses, gone.statuses) == ([404], [401], [])


async def test_unknown_key_is_asked_for_but_not_by_everybody() -> None:
    async with issuer() as i:
        i.keys.refresh()
        await i.answer("a")
        assert (i.ask("a"), i.ask("b")) == (0, 401)
        assert not i.admission.wait(lambda: None)
        i.now += REFETCH_INTERVAL
        assert (i.ask("a"), i.ask("b")) == (0, 1)
        await i.answer("a", "b")
        assert (i.ask("a"), i.ask("b"), i.ask("c")) == (0, 0, 401)
        assert i.fetches.empty()


async def test_key_that_cannot_be_looked_for_is_not_called_wrong(caplog: pytest.LogCaptureFixture) -> None:
    async with issuer() as i:
        i.keys.refresh()
        await i.fail()
        assert i.ask("a") == 503
        i.now += REFETCH_INTERVAL
        i.keys.refresh()
        await i.answer("a")
        i.now += REFETCH_INTERVAL
        i.keys.refresh()
        await i.fail()
        assert (i.ask("a"), i.ask("b")) == (0, 503)  # what is known stays known
        i.now += REFETCH_INTERVAL
        i.keys.refresh()
        (await i.fetches.get()).set_result(b"<html>")
        await settle()
        assert (i.ask("a"), i.ask("b")) == (0, 503)
    assert "cannot be fetched (auth.jwt): cannot connect to the issuer" in caplog.text
    assert "it is not JSON" in caplog.text


async def test_whatever_is_answered_for_the_keys_ends_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async def fetch() -> bytes:
        raise LookupError("a mistake of somebody's")

    async with anyio.create_task_group() as tasks:
        keys = FetchedKeys(fetch, tasks)
        assert keys.refresh()
        await settle()
        assert keys.failed
    assert "a mistake of somebody's" in caplog.text


async def test_key_that_was_taken_out_is_trusted_no_longer_than_its_age() -> None:
    async with issuer() as i:
        i.keys.refresh()
        await i.answer("a", "b")
        i.now += MAX_AGE
        assert i.ask("b") == 0
        await i.answer("b")
        assert i.ask("a") == 401


async def test_number_of_those_who_wait_is_bounded() -> None:
    async with issuer() as i:
        assert [i.admission.wait(lambda: None) for _ in range(MAX_WAITING + 1)] == [True] * MAX_WAITING + [False]


async def test_refused_tokens_are_logged_at_a_pace_with_the_reason(caplog: pytest.LogCaptureFixture) -> None:
    async with issuer() as i:
        i.keys.refresh()
        await i.answer("a")
        for id_ in ("evil\nline", "b"):
            assert i.ask(id_) == 401
    (record,) = caplog.records
    assert record.getMessage() == (
        "a token was refused, 1 so far, the last one because there is no key for its kid 'evil\\nline' and alg 'EdDSA'"
    )
