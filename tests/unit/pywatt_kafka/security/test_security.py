"""Client settings for a secured cluster, from a value or from the environment; secrets are never shown."""

from __future__ import annotations

import pickle
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from harness.certificates import Authority

from pywatt_kafka import ClientCredentials, FixedToken, KafkaError, Mechanism, NotAuthorized, Sasl, Security, Tls
from pywatt_kafka.aiokafka.security import security_settings
from pywatt_kafka.security.environment import security_from
from pywatt_kafka.security.oauth import RenewedToken, fetch
from pywatt_kafka.security.options import NONE

LOGIN = Sasl(mechanism=Mechanism.SCRAM_SHA_256, username="alice", password="hidden-1")


def test_nothing_is_plain_text() -> None:
    assert security_settings(NONE) == {"security_protocol": "PLAINTEXT"}


def test_name_and_password() -> None:
    assert security_settings(Security(sasl=LOGIN)) == {
        "security_protocol": "SASL_PLAINTEXT",
        "sasl_mechanism": "SCRAM-SHA-256",
        "sasl_plain_username": "alice",
        "sasl_plain_password": "hidden-1",
    }


@pytest.mark.parametrize("password", [None, "hidden-2"])
def test_certificates(tmp_path: Path, password: str | None) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("client", password=password)
    tls = Tls(ca=str(authority.file), cert=str(cert), key=str(key), key_password=password)
    settings = security_settings(Security(tls=tls, sasl=LOGIN))
    assert settings["security_protocol"] == "SASL_SSL"
    context = settings["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_REQUIRED, True)


def test_brokers_may_go_unverified() -> None:
    context = security_settings(Security(tls=Tls(verify=False)))["ssl_context"]
    assert (context.verify_mode, context.check_hostname) == (ssl.CERT_NONE, False)


def test_files_that_cannot_be_used_are_named(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("client", password="hidden-3")
    with pytest.raises(KafkaError, match=r"the authorities in .*nothing cannot be used"):
        security_settings(Security(tls=Tls(ca=str(tmp_path / "nothing"))))
    for password in (None, "wrong"):
        with pytest.raises(KafkaError, match=rf"the certificate in {cert} with {key} cannot be used"):
            security_settings(Security(tls=Tls(cert=str(cert), key=str(key), key_password=password)))


def test_secrets_are_not_shown() -> None:
    values = [
        Security(tls=Tls(key_password="hidden"), sasl=Sasl(mechanism=Mechanism.PLAIN, password="hidden")),
        Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=FixedToken("hidden"))),
        Security(
            sasl=Sasl(
                mechanism=Mechanism.OAUTHBEARER,
                token=ClientCredentials(url="u", client_id="c", client_secret="hidden"),
            )
        ),
    ]
    for value in values:
        assert "hidden" not in repr(value)
        assert pickle.loads(pickle.dumps(value)) == value


@pytest.mark.parametrize(
    ("environ", "expected"),
    [
        ({}, NONE),
        ({"KAFKA_SASL_USERNAME": "ignored"}, NONE),
        ({"KAFKA_SECURITY_PROTOCOL": "plaintext"}, NONE),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SSL_CA": "ca"}, Security(tls=Tls(ca="ca"))),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_SSL",
                "KAFKA_SASL_MECHANISM": "scram-sha-256",
                "KAFKA_SASL_USERNAME": "alice",
                "KAFKA_SASL_PASSWORD": "hidden-1",
            },
            Security(tls=Tls(), sasl=LOGIN),
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
                "KAFKA_OAUTH_TOKEN_URL": "u",
                "KAFKA_OAUTH_CLIENT_ID": "c",
                "KAFKA_OAUTH_CLIENT_SECRET": "s",
            },
            Security(
                sasl=Sasl(
                    mechanism=Mechanism.OAUTHBEARER,
                    token=ClientCredentials(url="u", client_id="c", client_secret="s"),
                )
            ),
        ),
        (
            {
                "KAFKA_SECURITY_PROTOCOL": "SASL_PLAINTEXT",
                "KAFKA_SASL_MECHANISM": "OAUTHBEARER",
                "KAFKA_SASL_TOKEN": "t",
            },
            Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=FixedToken("t"))),
        ),
    ],
)
def test_environment(environ: dict[str, str], expected: Security) -> None:
    assert security_from(None, environ) == expected
    assert security_from(Security(sasl=LOGIN), environ) == Security(sasl=LOGIN)


@pytest.mark.parametrize(
    ("environ", "message"),
    [
        ({"KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL is TLS"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "GSSAPI"}, "KAFKA_SASL_MECHANISM is GSSAPI"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL"}, "KAFKA_SASL_USERNAME is not set"),
        ({"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_USERNAME": "a"}, "KAFKA_SASL_PASSWORD is not set"),
        (
            {"KAFKA_SECURITY_PROTOCOL": "SASL_SSL", "KAFKA_SASL_MECHANISM": "OAUTHBEARER"},
            "KAFKA_OAUTH_TOKEN_URL is not set",
        ),
    ],
)
def test_environment_that_is_not_complete(environ: dict[str, str], message: str) -> None:
    with pytest.raises(KafkaError, match=message):
        security_from(None, environ)


class Endpoint(BaseHTTPRequestHandler):
    """A token endpoint."""

    answers: ClassVar[list[tuple[int, bytes]]] = []
    requests: ClassVar[list[tuple[str, bytes]]] = []

    def do_POST(self) -> None:
        body = self.rfile.read(int(self.headers["content-length"]))
        self.requests.append((self.headers["authorization"], body))
        status, answer = self.answers.pop(0)
        self.send_response(status)
        self.send_header("content-length", str(len(answer)))
        self.end_headers()
        self.wfile.write(answer)

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002
        """Log nothing."""


@pytest.fixture
def credentials() -> Iterator[ClientCredentials]:
    Endpoint.answers.clear()
    Endpoint.requests.clear()
    with HTTPServer(("127.0.0.1", 0), Endpoint) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        yield ClientCredentials(
            url=f"http://127.0.0.1:{server.server_port}/token", client_id="a b", client_secret="s:t", scope="kafka"
        )
        server.shutdown()
        thread.join()


def test_token_is_fetched_with_the_clients_credentials(credentials: ClientCredentials) -> None:
    Endpoint.answers.append((200, b'{"access_token": "t", "expires_in": 60}'))
    assert fetch(credentials) == ("t", 60.0)
    assert Endpoint.requests == [("Basic YSUyMGI6cyUzQXQ=", b"grant_type=client_credentials&scope=kafka")]


@pytest.mark.parametrize(
    "answer", [(401, b"{}"), (200, b"no json"), (200, b"{}"), (200, b"[]"), (200, b'{"access_token": 1}')]
)
def test_endpoint_that_gives_no_token(credentials: ClientCredentials, answer: tuple[int, bytes]) -> None:
    Endpoint.answers.append(answer)
    with pytest.raises(NotAuthorized, match="gives no token") as caught:
        fetch(credentials)
    assert "s:t" not in str(caught.value)


@pytest.mark.anyio
async def test_token_is_used_again_until_it_is_nearly_over(credentials: ClientCredentials) -> None:
    Endpoint.answers += [(200, b'{"access_token": "%d", "expires_in": 100}' % number) for number in (1, 2)]
    moments = [0.0, 0.0, 79.0, 80.0, 80.0, 150.0]  # asked twice where a token is fetched
    source = RenewedToken(credentials, clock=lambda: moments.pop(0))
    assert [await source.token() for _ in range(4)] == ["1", "1", "2", "2"]
