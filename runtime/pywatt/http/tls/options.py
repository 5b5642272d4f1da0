"""The settings of a TLS server: frozen data, with the text of all files."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path


@dataclass(frozen=True, slots=True, kw_only=True)
class Pem:
    """Certificates or a key in PEM form, from the configuration itself or from a file."""

    key: str
    """The place in the configuration, such as `server.https.cert[0]`."""
    text: bytes = field(repr=False)
    path: Path | None = None
    """The file that the text was read from."""

    @property
    def where(self) -> str:
        """The key, and the file if there is one."""
        return self.key if self.path is None else f"{self.key} ({self.path})"


@dataclass(frozen=True, slots=True, kw_only=True)
class CertifiedKey:
    """A certificate with its chain, and its private key."""

    cert: Pem
    key: Pem


@dataclass(frozen=True, slots=True, kw_only=True)
class TlsOptions:
    """The block `server.https`. Original: `key`, `cert`, `requestCert`, `rejectUnauthorized`, `allowHTTP1`."""

    certificates: tuple[CertifiedKey, ...]
    passphrase: str | None = field(default=None, repr=False)
    """Of the keys that are encrypted."""
    ca: tuple[Pem, ...] = ()
    """Authorities of client certificates."""
    request_cert: bool = False
    reject_unauthorized: bool = True
    """True if a client without a certificate is refused, where certificates are requested."""
    handshake_timeout: float = 10.0
    """Seconds from the connection to the end of the handshake."""
    allow_http1: bool = True
    """False: only HTTP/2 is spoken."""

    @property
    def pems(self) -> tuple[Pem, ...]:
        """All of them that may come from files."""
        return (*(pem for pair in self.certificates for pem in (pair.cert, pair.key)), *self.ca)


class TlsProblem(Exception):
    """A certificate or key cannot be used."""

    def __init__(self, pem: Pem, message: str, hint: str) -> None:
        super().__init__(f"{pem.where}: {message}")
        self.pem = pem
        self.message = message
        self.hint = hint
