"""Reads the security of a client from environment variables.

KAFKA_SECURITY_PROTOCOL (PLAINTEXT, SSL, SASL_PLAINTEXT, SASL_SSL), KAFKA_SASL_MECHANISM, KAFKA_SASL_USERNAME,
KAFKA_SASL_PASSWORD, KAFKA_SASL_TOKEN, KAFKA_OAUTH_TOKEN_URL, KAFKA_OAUTH_CLIENT_ID, KAFKA_OAUTH_CLIENT_SECRET,
KAFKA_OAUTH_SCOPE, KAFKA_SSL_CA, KAFKA_SSL_CERT, KAFKA_SSL_KEY and KAFKA_SSL_KEY_PASSWORD.
"""

from __future__ import annotations

from collections.abc import Mapping

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.security.oauth import ClientCredentials, FixedToken
from pywatt_kafka.security.options import NONE, Mechanism, Sasl, Security, Tls

PROTOCOL = "KAFKA_SECURITY_PROTOCOL"


def security_from(value: Security | None, environ: Mapping[str, str]) -> Security:
    """Return the given value, or the security that the environment describes.

    Raises KafkaError when a variable is missing.
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
