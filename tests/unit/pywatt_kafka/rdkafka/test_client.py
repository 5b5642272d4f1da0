"""The security settings of librdkafka, the translation of its errors, and its callback."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from confluent_kafka import Consumer as NativeConsumer
from confluent_kafka import KafkaError as Native
from harness.certificates import Authority

from pywatt_kafka import (
    ClientCredentials,
    CommitFailed,
    FixedToken,
    InvalidRecord,
    KafkaError,
    KafkaUnavailable,
    Mechanism,
    NotAuthorized,
    Producer,
    RecordTooLarge,
    Sasl,
    Security,
    Tls,
    UnknownTopic,
)
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translate
from pywatt_kafka.rdkafka.settings.security import security_settings


def test_plain_text_and_a_password() -> None:
    assert security_settings(Security()) == {"security.protocol": "PLAINTEXT"}
    login = Sasl(mechanism=Mechanism.SCRAM_SHA_512, username="alice", password="hidden-1")
    assert security_settings(Security(sasl=login)) == {
        "security.protocol": "SASL_PLAINTEXT",
        "sasl.mechanisms": "SCRAM-SHA-512",
        "sasl.username": "alice",
        "sasl.password": "hidden-1",
    }


def test_certificates(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("client")
    tls = Tls(ca=str(authority.file), cert=str(cert), key=str(key), verify=False)
    assert security_settings(Security(tls=tls)) == {
        "security.protocol": "SSL",
        "enable.ssl.certificate.verification": False,
        "ssl.endpoint.identification.algorithm": "none",
        "ssl.ca.location": str(authority.file),
        "ssl.certificate.location": str(cert),
        "ssl.key.location": str(key),
    }
    with pytest.raises(KafkaError, match="cannot be used"):
        Producer("a:1", engine="rdkafka", security=Security(tls=Tls(ca=str(tmp_path / "none.pem"))))


def test_key_with_a_password_in_the_certificates_file(tmp_path: Path) -> None:
    cert, key = Authority(tmp_path).issue("client", password="hidden-2")
    cert.write_bytes(key.read_bytes() + cert.read_bytes())
    tls = Tls(cert=str(cert), key_password="hidden-2")
    login = Sasl(mechanism=Mechanism.PLAIN, username="alice", password="hidden-1")
    settings = security_settings(Security(tls=tls, sasl=login))
    assert settings == {
        "security.protocol": "SASL_SSL",
        "enable.ssl.certificate.verification": True,
        "ssl.certificate.location": str(cert),
        "ssl.key.location": str(cert),
        "ssl.key.password": "hidden-2",
        "sasl.mechanisms": "PLAIN",
        "sasl.username": "alice",
        "sasl.password": "hidden-1",
    }
    NativeConsumer({**settings, "bootstrap.servers": "127.0.0.1:1", "group.id": "g", "log_level": 0}).close()


def test_token_of_an_endpoint(monkeypatch: pytest.MonkeyPatch) -> None:
    credentials = ClientCredentials(url="http://id/", client_id="c", client_secret="s")
    monkeypatch.setattr(
        "pywatt_kafka.rdkafka.settings.security.fetch", lambda given: ("t", 60.0) if given == credentials else None
    )
    settings = security_settings(Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=credentials)))
    token, until = settings["oauth_cb"]("")
    assert token == "t"
    assert 50 < until - time.time() <= 60


def test_token() -> None:
    settings = security_settings(Security(sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=FixedToken("t"))))
    assert settings["oauth_cb"]("")[0] == "t"


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        (Native.REBALANCE_IN_PROGRESS, CommitFailed),
        (Native._STATE, CommitFailed),
        (Native.MSG_SIZE_TOO_LARGE, RecordTooLarge),
        (Native.INVALID_RECORD, InvalidRecord),
        (Native.OUT_OF_ORDER_SEQUENCE_NUMBER, KafkaUnavailable),
        (Native._INVALID_DIFFERENT_RECORD, KafkaUnavailable),
        (Native.TOPIC_EXCEPTION, UnknownTopic),
        (Native.GROUP_AUTHORIZATION_FAILED, NotAuthorized),
        (Native._MSG_TIMED_OUT, KafkaUnavailable),
        (Native._TRANSPORT, KafkaUnavailable),
        (Native.INVALID_CONFIG, KafkaError),
    ],
)
def test_errors(code: int, kind: type[KafkaError]) -> None:
    assert type(translate(Native(code), during="writing")) is kind


def test_health() -> None:
    health = ClientHealth(["a:1", "b:2"])
    assert "no Kafka broker answers at a:1,b:2" in str(health.unreachable())
    health.report(Native(Native._ALL_BROKERS_DOWN))
    health.report(Native(Native._AUTHENTICATION, "wrong password"))
    assert health.down
    assert isinstance(health.unreachable(), NotAuthorized)
    health.answered()
    assert not health.down
    assert isinstance(health.unreachable(), KafkaUnavailable)
    assert not health.fatal
    health.report(Native(Native._FATAL))
    assert health.fatal
