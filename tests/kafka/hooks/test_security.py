"""A broker with TLS, client certificates and SASL: one value admits every client, and none enters without it."""

from __future__ import annotations

import asyncio
import base64
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any, get_args

import anyio
import confluent_kafka.admin
import pytest
from harness.app import run_pywatt, write_files
from harness.certificates import Authority
from harness.hooks import LONG, Received, RunHooks, Target
from harness.terminal import command

from pywatt_kafka import (
    ClientCredentials,
    GroupReader,
    KafkaError,
    Mechanism,
    Producer,
    Sasl,
    Security,
    TailReader,
    Tls,
    consumer_lag,
    ensure_topics,
)
from pywatt_kafka.admin.topics import list_topics
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.engine.settings import EngineName

pytestmark = pytest.mark.anyio

PASSWORD = "alice-secret"
PLAIN_MODULE = "org.apache.kafka.common.security.plain.PlainLoginModule"
SCRAM_MODULE = "org.apache.kafka.common.security.scram.ScramLoginModule"
OAUTH_MODULE = "org.apache.kafka.common.security.oauthbearer.OAuthBearerLoginModule"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("secured")


@pytest.fixture(scope="module")
def tls(folder: Path) -> Tls:
    authority = Authority(folder)
    cert, key = authority.issue("broker")
    (folder / "broker-both.pem").write_bytes(key.read_bytes() + cert.read_bytes())
    cert, key = authority.issue("client", password="key-secret")
    return Tls(ca=str(authority.file), cert=str(cert), key=str(key), key_password="key-secret")


@pytest.fixture(scope="module")
def secured(kafka_at_hand: None, folder: Path, tls: Tls) -> Iterator[str]:
    """The address of a broker that admits clients with a certificate and the user alice."""
    listener = "listener.name.plaintext"
    properties = {
        # the listener keeps its name: names are free, what is spoken is said here
        "listener.security.protocol.map": "PLAINTEXT:SASL_SSL,CONTROLLER:PLAINTEXT",
        "sasl.enabled.mechanisms": "PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER",
        "sasl.mechanism.inter.broker.protocol": "PLAIN",
        f"{listener}.plain.sasl.jaas.config": (
            f'{PLAIN_MODULE} required username="admin" password="a" user_admin="a" user_alice="{PASSWORD}";'
        ),
        f"{listener}.scram-sha-256.sasl.jaas.config": f"{SCRAM_MODULE} required;",
        f"{listener}.scram-sha-512.sasl.jaas.config": f"{SCRAM_MODULE} required;",
        f"{listener}.oauthbearer.sasl.jaas.config": f"{OAUTH_MODULE} required;",
        f"{listener}.ssl.client.auth": "required",
        "ssl.keystore.type": "PEM",
        "ssl.keystore.location": str(folder / "broker-both.pem"),
        "ssl.truststore.type": "PEM",
        "ssl.truststore.location": str(tls.ca),
    }
    with RealBroker(folder / "kafka", properties=properties) as broker:
        yield broker.address


@pytest.fixture(scope="module")
def scram_user(secured: str, folder: Path, tls: Tls) -> None:
    """Alice has a SCRAM password too."""
    native: Any = confluent_kafka.admin
    admin = native.AdminClient(
        {
            "bootstrap.servers": secured,
            "security.protocol": "SASL_SSL",
            "sasl.mechanism": "PLAIN",
            "sasl.username": "alice",
            "sasl.password": PASSWORD,
            "ssl.ca.location": tls.ca,
            "ssl.certificate.location": tls.cert,
            "ssl.key.location": tls.key,
            "ssl.key.password": tls.key_password,
        }
    )
    for mechanism in (native.ScramMechanism.SCRAM_SHA_256, native.ScramMechanism.SCRAM_SHA_512):
        credential = native.ScramCredentialInfo(mechanism, 4096)
        given = native.UserScramCredentialUpsertion("alice", credential, PASSWORD.encode())
        for changed in admin.alter_user_scram_credentials([given]).values():
            changed.result(LONG)


class TokenEndpoint(BaseHTTPRequestHandler):
    """Issues unsigned tokens, which a broker accepts by default for tests."""

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        now = int(time.time())
        parts = ({"alg": "none"}, {"sub": "alice", "iat": now, "exp": now + 3600})
        token = ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts)
        answer = json.dumps({"access_token": f"{token}.", "expires_in": 3600}).encode()
        self.send_response(200)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture(scope="module")
def token_url() -> Iterator[str]:
    with HTTPServer(("127.0.0.1", 0), TokenEndpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield f"http://127.0.0.1:{server.server_port}/"
        server.shutdown()
        thread.join()


@pytest.fixture(params=list(Mechanism), ids=lambda mechanism: mechanism.value)
def sasl(request: pytest.FixtureRequest, scram_user: None, token_url: str) -> Sasl:
    mechanism: Mechanism = request.param
    if mechanism is Mechanism.OAUTHBEARER:
        credentials = ClientCredentials(url=token_url, client_id="c", client_secret="s")
        return Sasl(mechanism=mechanism, token=credentials)
    return Sasl(mechanism=mechanism, username="alice", password=PASSWORD)


@pytest.mark.parametrize("engine", get_args(EngineName))
async def test_every_client_gets_in(secured: str, tls: Tls, sasl: Sasl, topic: str, engine: EngineName) -> None:
    security = Security(tls=tls, sasl=sasl)
    with anyio.fail_after(LONG):
        await ensure_topics(secured, [topic], security=security)
        assert topic in {each.name for each in await list_topics(secured, security=security)}
        async with (
            Producer(secured, security=security, engine=engine) as producer,
            GroupReader(secured, group=f"g-{topic}", topics=[topic], security=security, engine=engine) as consumer,
            TailReader(secured, [topic], security=security) as tail,
        ):
            await tail.wait_ready()
            await producer.send(topic, b"value")
            for reader in (consumer, tail):
                async for message in reader:
                    assert message.value == b"value"
                    break
            await consumer.wait_connected()
        assert await consumer_lag(secured, f"g-{topic}", [topic], security=security) == {topic: {0: 1}}


async def test_others_are_told_why_they_do_not_get_in(secured: str, tls: Tls, topic: str) -> None:
    right = Sasl(mechanism=Mechanism.PLAIN, username="alice", password=PASSWORD)
    wrong = [
        (Security(tls=tls, sasl=replace(right, password="wrong")), "refuses this client"),
        (Security(tls=Tls(ca=tls.ca), sasl=right), "ends the connection|no TLS with"),
        (Security(), "ends the connection"),
        (Security(tls=Tls(), sasl=right), "no TLS with .*certificate is refused: unable to get"),
    ]
    for security, message in wrong:
        with pytest.raises(KafkaError, match=message):
            await ensure_topics(secured, [topic], security=security, timeout=5)


@pytest.mark.parametrize("engine", get_args(EngineName), indirect=True)
async def test_kafka_hooks_is_secured_as_a_whole(
    secured: str, tls: Tls, topic: str, run_hooks: RunHooks, target: Target
) -> None:
    document = {
        "brokers": [secured],
        "topics": [{"topic": topic, "url": "http://api.plt.local/hook", "retries": 1, "dlq": f"{topic}-dlq"}],
        "requestResponse": [
            {"path": "/ask", "requestTopic": f"{topic}-q", "responseTopic": f"{topic}-a", "timeout": 1000}
        ],
        "consumer": {"groupId": f"group-{topic}"},
        "security": {
            "tls": {"ca": tls.ca, "cert": tls.cert, "key": tls.key, "keyPassword": tls.key_password},
            "sasl": {"mechanism": "PLAIN", "username": "alice", "password": PASSWORD},
        },
    }

    async def refuse_the_first(request: Received) -> int:
        return 500 if request.body == b"bad" else 200

    target.handler = refuse_the_first
    async with run_hooks(document) as hooks:
        for body in (b"bad", b"good"):
            assert (await hooks.post(f"/topics/{topic}", body)).status == 202
        await target.wait_for(lambda requests: {request.body for request in requests} == {b"bad", b"good"})
        assert (await hooks.post("/ask", b"x")).status == 504
        assert not hooks.reasons or hooks.reasons[-1] is None
    security = Security(tls=tls, sasl=Sasl(mechanism=Mechanism.PLAIN, username="alice", password=PASSWORD))
    with anyio.fail_after(LONG):
        async with GroupReader(secured, group=f"r-{topic}", topics=[f"{topic}-dlq"], security=security) as letters:
            async for letter in letters:
                assert json.loads(letter.value or b"")["topic"] == topic
                break


def shop(folder: Path, secured: str, tls: Tls, topic: str) -> Path:
    """Write an app with credentials in its config."""
    hooks: dict[str, Any] = {
        "type": "kafka-hooks",
        "brokers": [secured],
        "topics": [{"topic": topic, "url": "http://kafka-hooks.plt.local/none", "retries": 1, "dlq": f"{topic}-dlq"}],
        "consumer": {"groupId": f"group-{topic}"},
        "security": {
            "tls": {"ca": tls.ca, "cert": tls.cert, "key": tls.key, "keyPassword": "{KEY_PASSWORD}"},
            "sasl": {"mechanism": "SCRAM-SHA-512", "username": "alice", "password": "{LOGIN}"},
        },
    }
    return write_files(
        folder,
        {
            "watt.json": {
                "entrypoint": "kafka-hooks",
                "web": [{"id": "kafka-hooks", "path": "hooks"}],
                "server": {"port": 0},
            },
            "hooks/watt.json": hooks,
            ".env": f"KEY_PASSWORD=key-secret\nLOGIN={PASSWORD}\n",
        },
    )


def test_commands_log_in_as_the_app_does(secured: str, tls: Tls, topic: str, scram_user: None, tmp_path: Path) -> None:
    folder = shop(tmp_path / "shop", secured, tls, topic)
    env = {"PYWATT_RUNTIME_DIR": str(tmp_path / "run")}

    def told(*words: str) -> str:
        outcome = command(folder / "hooks", "kafka", *words, env=env)
        assert (outcome.status, outcome.err) == (0, ""), outcome
        assert PASSWORD not in outcome.out
        return outcome.out

    asyncio.run(ensure_topics(secured, [topic], security=admin(tls)))
    assert topic in told("topics"), "the app does not run: its config files tell"
    assert topic in told("topics", "--brokers", secured)
    refused = command(folder, "kafka", "topics", "--brokers", secured.replace("127.0.0.1", "localhost"), env=env)
    assert refused.status == 1
    assert "the app's security is not used: localhost:" in refused.err
    with run_pywatt(folder, env=env) as app:
        assert app.post(f"/topics/{topic}", content=b"tea").status_code == 202
        app.wait_for_text(f"{topic}-dlq")
        (folder / "hooks/watt.json").write_text("{")  # what runs is asked
        assert f"{topic}-dlq" in told("dlq", "list")
        assert "404" in told("dlq", "list", f"{topic}-dlq")
        assert "in all" in told("lag", f"group-{topic}")
        assert "held by nothing" in told("why")
        assert app.stop() == 0
        assert PASSWORD not in app.output


def admin(tls: Tls) -> Security:
    return Security(tls=tls, sasl=Sasl(mechanism=Mechanism.PLAIN, username="alice", password=PASSWORD))
