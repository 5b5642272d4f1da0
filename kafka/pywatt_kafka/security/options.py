"""Security options of a client: TLS, client certificates, SASL PLAIN, SCRAM and OAUTHBEARER."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field

from pywatt_kafka.security.oauth import TokenSource


class Mechanism(enum.Enum):
    """A SASL mechanism."""

    PLAIN = "PLAIN"
    SCRAM_SHA_256 = "SCRAM-SHA-256"
    SCRAM_SHA_512 = "SCRAM-SHA-512"
    OAUTHBEARER = "OAUTHBEARER"


@dataclass(frozen=True, slots=True, kw_only=True)
class Tls:
    """TLS options; files are PEM."""

    ca: str | None = None
    """File of the trusted authorities; None: the system's."""
    cert: str | None = None
    """File of the client certificate, if the brokers require one."""
    key: str | None = None
    """File of its private key; None: it is in `cert` too."""
    key_password: str | None = field(default=None, repr=False)
    verify: bool = True
    """Verify the certificates and names of the brokers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Sasl:
    """The SASL login of a client."""

    mechanism: Mechanism
    username: str = ""
    password: str = field(default="", repr=False)
    token: TokenSource | None = None
    """For OAUTHBEARER."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Security:
    """Authentication and encryption of a client. Its `repr` shows no secrets."""

    tls: Tls | None = None
    sasl: Sasl | None = None

    @property
    def protocol(self) -> str:
        """Kafka's name of the combination: PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL."""
        return ("SASL_" if self.sasl else "") + ("SSL" if self.tls else "PLAINTEXT")


NONE = Security()
"""Plain text without authentication."""
