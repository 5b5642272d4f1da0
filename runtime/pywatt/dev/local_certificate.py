"""A certificate for the machine of a developer, of a certificate authority that exists on that machine alone.

Both are made once, in the user's state folder. Whoever can read the authority's key could pose as any server towards
the browsers that trust it: it is readable for the user only.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from pywatt.errors import MissingExtra
from pywatt.http.tls.contexts import TlsContexts
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions, TlsProblem
from pywatt.logs.history import state_folder

if TYPE_CHECKING:
    from trustme import CA

NAMES = ("localhost", "*.localhost", "127.0.0.1", "::1")
LIFETIME = timedelta(days=397)
"""Browsers refuse certificates of servers that are valid for longer."""
RENEWAL = timedelta(days=30)
"""The rest of its lifetime below which a new certificate is made."""
OPTION = "pywatt dev --https"


@dataclass(frozen=True, slots=True)
class LocalCertificate:
    """The files of the certificate, and of the authority that browsers have to trust."""

    cert: Path
    key: Path
    authority: Path

    @property
    def options(self) -> TlsOptions:
        """The settings of a server with it."""
        pair = CertifiedKey(
            cert=Pem(key=OPTION, text=self.cert.read_bytes(), path=self.cert),
            key=Pem(key=OPTION, text=self.key.read_bytes(), path=self.key),
        )
        return TlsOptions(certificates=(pair,))

    @property
    def advice(self) -> str:
        """The steps by which a user trusts it."""
        return (
            f"the certificate of localhost is signed by an authority of this machine, {self.authority}; to trust it: "
            f"curl --cacert FILE, SSL_CERT_FILE or REQUESTS_CA_BUNDLE for programs; for the system: "
            f"sudo cp {self.authority} /usr/local/share/ca-certificates/pywatt.crt && sudo update-ca-certificates; "
            "for Chrome and Firefox: import it among the authorities in the settings"
        )


def local_certificate(environ: Mapping[str, str], *, now: datetime | None = None) -> LocalCertificate:
    """Return the certificate, made now if there is none that stays valid for a while.

    Raises MissingExtra, NoHome, OSError.
    """
    try:
        import trustme
    except ModuleNotFoundError as error:
        raise MissingExtra("trustme", "https", needed_by=OPTION) from error
    now = now or datetime.now(UTC)
    folder = state_folder(environ) / "certificates"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = LocalCertificate(folder / "localhost.pem", folder / "localhost.key", folder / "authority.pem")
    authority_key = folder / "authority.key"
    authority = _authority(found.authority, authority_key, now)
    if authority is None:
        authority = trustme.CA(organization_name="pywatt dev")
        _write(authority_key, authority.private_key_pem.bytes())
        _write(found.authority, authority.cert_pem.bytes())
        found.cert.unlink(missing_ok=True)
    if not (_stays_valid(found.cert, now) and _belong_together(found)):
        leaf = authority.issue_cert(*NAMES, not_after=now + LIFETIME)
        _write(found.key, leaf.private_key_pem.bytes())
        _write(found.cert, b"".join(blob.bytes() for blob in leaf.cert_chain_pems))
    return found


def _authority(cert: Path, key: Path, now: datetime) -> CA | None:
    """Return the authority that was made before; None if there is none, or it is of no use."""
    from trustme import CA

    if not _stays_valid(cert, now + LIFETIME):
        return None
    try:
        return CA.from_pem(cert.read_bytes(), key.read_bytes())
    except (OSError, ValueError):
        return None


def _stays_valid(cert: Path, now: datetime) -> bool:
    from cryptography import x509

    try:
        seen = x509.load_pem_x509_certificate(cert.read_bytes())
    except (OSError, ValueError):
        return False
    return seen.not_valid_after_utc - RENEWAL > now


def _belong_together(found: LocalCertificate) -> bool:
    try:
        TlsContexts(found.options, ())
    except (OSError, TlsProblem):
        return False
    return True


def _write(file: Path, text: bytes) -> None:
    """Replace a file, which only its user can read."""
    fresh = file.with_name(f".{file.name}.{os.getpid()}")
    descriptor = os.open(fresh, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as target:
        target.write(text)
    fresh.replace(file)
