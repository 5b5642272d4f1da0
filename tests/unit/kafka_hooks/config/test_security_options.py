"""Security of a service's Kafka clients in its document, with our keys and the original's."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonschema
import pytest
from harness.certificates import Authority

from pywatt.service_type import OptionsError, Placement
from pywatt_kafka import ClientCredentials, FixedToken, Mechanism, Sasl, Security, Tls
from pywatt_schemas import service_file
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions

LOGIN = {"mechanism": "plain", "username": "u", "password": "p"}
AS_LOGIN = Sasl(mechanism=Mechanism.PLAIN, username="u", password="p")


def read(folder: Path, *, consumer: dict[str, Any] | None = None, **more: Any) -> Security | None:
    reply = {"path": "/a", "requestTopic": "q", "responseTopic": "r"}
    document = {"brokers": ["a:1"], "requestResponse": [reply], "consumer": consumer or {}, **more}
    jsonschema.validate(document, service_file(TYPE.schema))
    options = TYPE.configure(document, Placement(id="hooks", path=folder, services=("hooks",))).options
    assert isinstance(options, KafkaHooksOptions)
    return options.security


def problems(folder: Path, **document: Any) -> dict[str, str]:
    with pytest.raises(OptionsError) as caught:
        read(folder, **document)
    return {problem.key: problem.message for problem in caught.value.problems}


def test_nothing_is_left_to_the_environment(tmp_path: Path) -> None:
    assert read(tmp_path) is None
    assert read(tmp_path, security={"tls": False}) is None


def test_block(tmp_path: Path) -> None:
    Authority(tmp_path)  # writes ca.pem
    security = {"tls": {"ca": "ca.pem", "verify": False, "keyPassword": "k"}, "sasl": LOGIN}
    assert read(tmp_path, security=security) == Security(
        tls=Tls(ca=str(tmp_path / "ca.pem"), verify=False, key_password="k"), sasl=AS_LOGIN
    )
    assert read(tmp_path, security={"tls": True}) == Security(tls=Tls())


@pytest.mark.parametrize("name", ["tls", "ssl"])
def test_originals_words(tmp_path: Path, name: str) -> None:
    consumer = {name: {"rejectUnauthorized": False, "passphrase": "k"}, "sasl": LOGIN}
    assert read(tmp_path, consumer=consumer) == Security(tls=Tls(verify=False, key_password="k"), sasl=AS_LOGIN)


def test_tokens(tmp_path: Path) -> None:
    oauth = {"tokenUrl": "https://id/token", "clientId": "c", "clientSecret": "s", "scope": "kafka"}
    assert read(tmp_path, security={"sasl": {"mechanism": "OAUTHBEARER", "oauth": oauth}}) == Security(
        sasl=Sasl(
            mechanism=Mechanism.OAUTHBEARER,
            token=ClientCredentials(url="https://id/token", client_id="c", client_secret="s", scope="kafka"),
        )
    )
    assert read(tmp_path, security={"sasl": {"mechanism": "OAUTHBEARER", "token": "t"}}) == Security(
        sasl=Sasl(mechanism=Mechanism.OAUTHBEARER, token=FixedToken("t"))
    )


@pytest.mark.parametrize(
    ("document", "key", "message"),
    [
        ({"security": {"tls": {"ca": "none.pem"}}}, "security.tls.ca", "there is no file"),
        ({"security": {"tls": {"cert": "-----BEGIN CERT"}}}, "security.tls.cert", "content of a file"),
        ({"security": {"tls": True}, "consumer": {"ssl": True}}, "consumer.ssl", "security.tls says this already"),
        ({"security": {"sasl": {"mechanism": "PLAIN", "username": "u"}}}, "security.sasl.password", "needs a password"),
        ({"security": {"sasl": {"mechanism": "OAUTHBEARER"}}}, "security.sasl.oauth", "needs a token"),
        (
            {
                "security": {
                    "sasl": {
                        "mechanism": "OAUTHBEARER",
                        "oauth": {"tokenUrl": "file:///x", "clientId": "c", "clientSecret": "s"},
                    }
                }
            },
            "security.sasl.oauth.tokenUrl",
            "not an http",
        ),
    ],
)
def test_problem_is_found_with_its_key(tmp_path: Path, document: dict[str, Any], key: str, message: str) -> None:
    found = problems(tmp_path, **document)
    assert list(found) == [key]
    assert message in found[key]


def test_key_needs_its_certificate(tmp_path: Path) -> None:
    Authority(tmp_path).issue("client")[1].rename(tmp_path / "k")
    assert list(problems(tmp_path, security={"tls": {"key": "k"}})) == ["security.tls.key"]


def test_certificate_and_key(tmp_path: Path) -> None:
    authority = Authority(tmp_path)
    cert, key = authority.issue("client", password="k")
    tls = {"ca": "ca.pem", "cert": "client.pem", "key": "client.key", "keyPassword": "k"}
    assert read(tmp_path, security={"tls": tls}) == Security(
        tls=Tls(ca=str(authority.file), cert=str(cert), key=str(key), key_password="k")
    )
    cert, key = authority.issue("both")
    cert.write_bytes(key.read_bytes() + cert.read_bytes())
    assert read(tmp_path, security={"tls": {"cert": "both.pem"}}) == Security(tls=Tls(cert=str(cert)))


@pytest.mark.parametrize(
    ("tls", "key", "message"),
    [
        ({"ca": "garbage"}, "ca", "holds no certificate in PEM"),
        ({"ca": "broken"}, "ca", "holds a certificate that cannot be used"),
        ({"ca": "client.key"}, "ca", "holds no certificate in PEM"),
        ({"cert": "garbage", "key": "client.key"}, "cert", "holds no certificate in PEM"),
        ({"cert": "client.pem", "key": "garbage"}, "key", "holds no private key in PEM"),
        ({"cert": "client.pem", "key": "other.key"}, "key", "is not the key of the certificate in"),
        ({"cert": "client.pem"}, "cert", "holds no key of its certificate"),
        ({"cert": "locked.pem", "key": "locked.key"}, "keyPassword", "it has a password"),
        ({"cert": "locked.pem", "key": "locked.key", "keyPassword": "x"}, "keyPassword", "with this password"),
    ],
)
def test_files_that_are_no_use_are_found(tmp_path: Path, tls: dict[str, str], key: str, message: str) -> None:
    (tmp_path / "garbage").write_bytes(b"\x00\xffgarbage")
    (tmp_path / "broken").write_text("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n")
    authority = Authority(tmp_path)
    for name, password in (("client", None), ("other", None), ("locked", "k")):
        authority.issue(name, password=password)
    found = problems(tmp_path, security={"tls": tls})
    assert list(found) == [f"security.tls.{key}"]
    assert message in found[f"security.tls.{key}"]


@pytest.mark.parametrize(
    "document",
    [
        {"security": {"sasl": {}}},
        {"security": {"sasl": {"mechanism": "GSSAPI"}}},
        {"security": {"tls": {"servername": "x"}}},
        {"security": {"ssl": True}},
    ],
)
def test_schema_refuses(document: dict[str, Any]) -> None:
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"brokers": ["a:1"], **document}, service_file(TYPE.schema))
