"""How clients show who they are to a cluster and keep what they say private: one value for all of them.

TLS, TLS with a certificate of the client's own, SASL PLAIN, SCRAM and OAUTHBEARER. Without one the variables
KAFKA_SECURITY_PROTOCOL (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME,
KAFKA_SASL_PASSWORD, KAFKA_SASL_TOKEN, KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET,
KAFKA_OAUTH_SCOPE, KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY and KAFKA_SSL_KEY_PASSWORD say how.
"""

from __future__ import annotations

import enum
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.oauth import ClientCredentials, FixedToken, TokenSource

PROTOCOL = "KAFKA_SECURITY_PROTOCOL"


class Mechanism(enum.Enum):
    """How SASL is spoken."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """Files are PEM."""

    ca: str | None = None
    """File of the authorities that are trusted; None: the system's."""
    cert: str | None = None
    """File of the client's own certificate, if the brokers want one."""
    key: str | None = None
    """File of its key; None: it is in `cert` too."""
    key_password: str | None = field(default=None, repr=False)
    verify: bool = True
    """Whether the brokers must show that they are who they say."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """Who the client is."""

    mechanism: Mechanism
    username: str = ""
    password: str = field(default="", repr=False)
    token: TokenSource | None = None
    """For OAUTHBEARER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """What a client needs besides addresses. Secrets are not shown."""

    tls: Tls | None = None
    sasl: Sasl | None = None

    def settings(self) -> dict[str, Any]:
        """Return what aiokafka's clients are to be given. Raises KafkaError when a file cannot be used."""
        settings: dict[str, Any] = {
            "security_protocol": ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")
        }
        if self.tls is not None:
            settings["ssl_context"] = _context(self.tls)
        if self.sasl is not None:
            settings["sasl_mechanism"] = self.sasl.mechanism.value
            if self.sasl.token is not None:
                settings["sasl_oauth_token_provider"] = self.sasl.token.provider()
            else:
                settings["sasl_plain_username"] = self.sasl.username
                settings["sasl_plain_password"] = self.sasl.password
        return settings


NONE = Security()
"""In plain text, without a name."""


def security_from(value: Security | None, environ: Mapping[str, str]) -> Security:
    """Return what a client is to use: what it was given, else what the environment says.

    Raises KafkaError when that is not complete.
    """
    if value is not None or not environ.get(PROTOCOL):
        return value or NONE
    protocol = environ[PROTOCOL].upper()
    if protocol not in ("PLAINTEXT", "SSL", "SASL_PLAINTEXT", "SASL_SSL"):
        raise KafkaError(f"{PROTOCOL} is {protocol}", hint="PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL")
    tls = sasl = None
    if protocol.endswith("SSL"):
        tls = Tls(
            ca=environ.get("KAFKA_SSL_CA"),
            cert=environ.get("KAFKA_SSL_CERT"),
            key=environ.get("KAFKA_SSL_KEY"),
            key_password=environ.get("KAFKA_SSL_KEY_PASSWORD"),
        )
    if protocol.startswith("SASL"):
        sasl = _sasl_from(environ)
    return Security(tls=tls, sasl=sasl)


def _sasl_from(environ: Mapping[str, str]) -> Sasl:
    name = environ.get("KAFKA_SASL_MECHANISM", Mechanism.PLAIN.value).upper()
    try:
        mechanism = Mechanism(name)
    except ValueError:
        known = ", ".join(each.value for each in Mechanism)
        raise KafkaError(f"KAFKA_SASL_MECHANISM is {name}", hint=f"one of {known}") from None
    if mechanism is not Mechanism.OAUTHBEARER:
        username, password = (_needed(environ, f"KAFKA_SASL_{what}") for what in ("USERNAME", "PASSWORD"))
        return Sasl(mechanism=mechanism, username=username, password=password)
    if token := environ.get("KAFKA_SASL_TOKEN"):
        return Sasl(mechanism=mechanism, token=FixedToken(token))
    url, client_id, secret = (_needed(environ, f"KAFKA_OAUTH_{w}") for w in ("TOKEN_URL", "CLIENT_ID", "CLIENT_SECRET"))
    return Sasl(
        mechanism=mechanism,
        token=ClientCredentials(
            url=url, client_id=client_id, client_secret=secret, scope=environ.get("KAFKA_OAUTH_SCOPE", "")
        ),
    )


def _needed(environ: Mapping[str, str], name: str) -> str:
    value = environ.get(name)
    if not value:
        raise KafkaError(f"{PROTOCOL} is {environ[PROTOCOL]}, but {name} is not set")
    return value


def _context(tls: Tls) -> ssl.SSLContext:
    try:
        context = ssl.create_default_context(cafile=tls.ca)
    except OSError as error:
        raise KafkaError(f"the authorities in {tls.ca} cannot be used: {_words(error)}") from error
    if not tls.verify:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    if tls.cert is not None:
        try:
            # asked for a password it would wait at the terminal
            context.load_cert_chain(tls.cert, tls.key, tls.key_password or "")
        except OSError as error:
            files = tls.cert if tls.key is None else f"{tls.cert} with {tls.key}"
            raise KafkaError(f"the certificate in {files} cannot be used: {_words(error)}") from error
    return context


def _words(error: OSError) -> str:
    return error.strerror or str(error)
