"""Errors of a cluster that is not reached say what was seen at which address; permanent ones are raised at once."""

from __future__ import annotations

import asyncio
import base64
import json
import socket
from collections.abc import Iterator
from time import monotonic, time
from typing import Any

import anyio
import pytest

from pywatt_kafka import (
    Consumer,
    GroupReader,
    KafkaUnavailable,
    Mechanism,
    NotAuthorized,
    Producer,
    ProducerRecord,
    Sasl,
    Security,
    UnknownTopic,
)
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName

pytestmark = [pytest.mark.anyio, pytest.mark.parametrize("engine", ["aiokafka", "rdkafka"])]

LONG = 60.0  # seconds
NOWHERE = "no-such-host.invalid"
OAUTH = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"
PLAIN = "org.apache.kafka.common.security.plain.PlainLoginModule"


@pytest.fixture
def unused_port() -> int:
    """A port at which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port: int = listener.getsockname()[1]
        return port


async def reason(brokers: str, engine: EngineName, *, words: str) -> str:
    """Return the message of a send, sent again until it has these words or the time is up."""
    said = ""
    async with Producer(brokers, engine=engine, request_timeout=2.0) as producer:
        with anyio.move_on_after(LONG):
            while words not in said:
                # A broker that is slow to create the topic has not told of it yet.
                with pytest.raises((KafkaUnavailable, UnknownTopic)) as caught:
                    await producer.send("orders", b"x")
                said = str(caught.value)
    return said


async def test_name_that_is_not_resolved(engine: EngineName) -> None:
    said = await reason(f"{NOWHERE}:9092", engine, words="resolved")
    assert f"no Kafka broker answers at {NOWHERE}:9092: the name cannot be resolved (" in said


async def test_each_address_with_what_was_seen_there(engine: EngineName, unused_port: int) -> None:
    refused = f"127.0.0.1:{unused_port}"
    said = await reason(f"{NOWHERE}:9092,{refused}", engine, words="refused")
    assert f"no Kafka broker answers at {NOWHERE}:9092,{refused} (" in said
    assert f"{refused}: connection refused" in said
    assert f"{NOWHERE}:9092: the name cannot be resolved" in said


async def test_refused_port(engine: EngineName, unused_port: int) -> None:
    said = await reason(f"127.0.0.1:{unused_port}", engine, words="refused")
    assert said == f"writing to topic orders: no Kafka broker answers at 127.0.0.1:{unused_port}: connection refused"


@pytest.fixture(scope="module")
def elsewhere(kafka_at_hand: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that names itself by a name that does not exist."""
    properties = {"advertised.listeners": f"PLAINTEXT://{NOWHERE}:9092"}
    with RealBroker(tmp_path_factory.mktemp("elsewhere"), properties=properties) as running:
        yield running.address


async def test_wrong_advertised_listeners(elsewhere: str, engine: EngineName) -> None:
    said = await reason(elsewhere, engine, words="advertised.listeners")
    assert (
        f"a Kafka broker answers at {elsewhere}, but sends its clients to {NOWHERE}:9092 (its advertised.listeners),"
        " and there: the name cannot be resolved ("
    ) in said


@pytest.fixture(scope="module")
def guarded(kafka_at_hand: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a broker that wants the password of alice, or an unsigned token."""
    listener = "listener.name.plaintext.plain.sasl.jaas.config"
    properties = {
        "listener.security.protocol.map": "PLAINTEXT:SASL_PLAINTEXT,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,OAUTHBEARER",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        listener: f'{PLAIN} required username="admin" password="a" user_admin="a" user_alice="right";',
        "listener.name.plaintext.oauthbearer.sasl.jaas.config": f"{OAUTH} required;",
    }
    with RealBroker(tmp_path_factory.mktemp("guarded"), properties=properties) as running:
        yield running.address


async def test_wrong_password_is_raised_at_once(guarded: str, engine: EngineName) -> None:
    security = Security(sasl=Sasl(mechanism=Mechanism.PLAIN, username="alice", password="wrong"))
    record: ProducerRecord = {"topic": "orders", "value": b"x"}
    begun = monotonic()
    async with Producer(guarded, engine=engine, security=security, request_timeout=LONG) as producer:
        with pytest.raises(NotAuthorized, match=f"{guarded} refuses this client"):
            await producer.wait_connected()
        with pytest.raises(NotAuthorized) as caught:
            await producer.send("orders", b"x")
        assert isinstance((await producer.send(messages=[record]))[0], NotAuthorized)
        await producer.enqueue("orders", b"x")
        with pytest.raises(NotAuthorized):
            await producer.flush()
    assert caught.value.hint == "check username, password and token"
    assert monotonic() - begun < LONG / 2


async def test_wrong_password_ends_iterations_at_once(guarded: str, engine: EngineName) -> None:
    security = Security(sasl=Sasl(mechanism=Mechanism.PLAIN, username="alice", password="wrong"))
    begun = monotonic()
    async with (
        Consumer("g", guarded, topics=["orders"], security=security, engine=engine) as consumer,
        GroupReader(guarded, group="g", topics=["orders"], security=security, engine=engine) as reader,
    ):
        for source in (consumer, reader):
            for _ in range(2):
                with pytest.raises(NotAuthorized, match=f"{guarded} refuses this client"):
                    await anext(aiter(source))
    assert monotonic() - begun < LONG / 2


class Tokens:
    """A token source of an application, and its provider."""

    def __init__(self, *, life: int = 3600, error: Exception | None = None) -> None:
        self.life = life
        self.error = error
        self.given = 0

    def provider(self) -> Any:
        return self

    async def token(self) -> str:
        await asyncio.sleep(0)
        if self.error is not None:
            raise self.error
        self.given += 1
        now = int(time())
        parts = ({"alg": "none"}, {"sub": "alice", "iat": now, "exp": now + self.life})
        encoded = (base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        return f"{'.'.join(encoded)}."


async def test_tokens_of_an_application_are_renewed(guarded: str, engine: EngineName, topic: str) -> None:
    tokens = Tokens(life=4)
    security = Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=tokens))
    with anyio.fail_after(LONG):
        async with Producer(guarded, engine=engine, security=security) as producer:
            while tokens.given < 2:
                await producer.send(topic, b"x")
            if engine == "aiokafka":
                return  # it asks for each connection
            given = tokens.given
            while tokens.given == given:
                await producer.send(topic, b"x")
        async with Consumer(topic, guarded, topics=[topic], security=security, engine=engine) as consumer:
            assert (await anext(aiter(consumer))).value == b"x"


async def test_an_application_that_has_no_token_says_so_at_once(guarded: str, engine: EngineName) -> None:
    security = Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=Tokens(error=ValueError("vault is sealed"))))
    begun = monotonic()
    async with Producer(guarded, engine=engine, security=security, request_timeout=LONG) as producer:
        with pytest.raises(NotAuthorized, match="vault is sealed"):
            await producer.send("orders", b"x")
    async with Consumer("g", guarded, topics=["orders"], security=security, engine=engine) as consumer:
        with pytest.raises(NotAuthorized, match="vault is sealed"):
            await anext(aiter(consumer))
    assert monotonic() - begun < LONG / 2


def test_names_that_no_topic_can_have_are_refused_at_once(engine: EngineName) -> None:
    with pytest.raises(UnknownTopic, match="no such name"):
        GroupReader("a:1", group="g", topics=["no such name"], engine=engine)
