"""SSL contexts from certificates and keys: one for each set of names, chosen by the name that a client asks for (SNI).

Each certificate is tried in a handshake in memory. That tells the names it is for, and any reason why it cannot be
used, before a client meets it.
"""

from __future__ import annotations

import os
import re
import ssl
import tempfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions, TlsProblem

CIPHERS = "ECDHE+AESGCM:ECDHE+CHACHA20"
"""Of TLS 1.2: forward secrecy and authenticated encryption only. Those of TLS 1.3 have no others."""
NO_CHECK_TIME = 0x200000
"""X509_V_FLAG_NO_CHECK_TIME of OpenSSL, which the module `ssl` does not name."""
_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----[A-Za-z0-9+/=\s]+-----END CERTIFICATE-----")
_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")
_ENCRYPTED = re.compile(rb"BEGIN ENCRYPTED PRIVATE KEY|Proc-Type: 4,ENCRYPTED")


@dataclass(frozen=True, slots=True)
class Certified:
    """A context and the certificate that it shows."""

    context: ssl.SSLContext
    names: frozenset[str]
    """Host names in lower case; `*.example.com` for a wildcard."""
    expires: datetime
    pair: CertifiedKey


class TlsContexts:
    """The contexts of one server."""

    def __init__(self, options: TlsOptions, protocols: Sequence[str]) -> None:
        """`protocols`: for ALPN, the preferred one first. Raises TlsProblem."""
        found: dict[frozenset[str], Certified] = {}
        self.certificates: list[Certified] = []
        for pair in options.certificates:
            seen = _certified(pair, options.passphrase)
            same = found.get(seen.names)
            if same is None:
                _configure(seen.context, options, protocols)
                found[seen.names] = seen
            else:  # one key of RSA and one of an elliptic curve, say: the handshake takes what the client knows
                _load(same.context, pair, options.passphrase)
            self.certificates.append(seen)
        self._by_name: dict[str, ssl.SSLContext] = {}
        for each in found.values():
            for name in each.names:
                self._by_name.setdefault(name, each.context)
        self.default = next(iter(found.values())).context
        """The context of clients that ask for no name, or for one that no certificate has."""
        if len(found) > 1:
            self.default.sni_callback = self._choose

    def for_name(self, name: str | None) -> ssl.SSLContext:
        """Return the context for the name that a client asks for."""
        lower = (name or "").lower().rstrip(".")
        found = self._by_name.get(lower)
        if found is None:
            found = self._by_name.get(f"*.{lower.partition('.')[2]}")
        return self.default if found is None else found

    def _choose(self, connection: ssl.SSLObject, name: str | None, _context: ssl.SSLContext) -> None:
        connection.context = self.for_name(name)


def _certified(pair: CertifiedKey, passphrase: str | None) -> Certified:
    for pem, pattern, other, what in (
        (pair.cert, _CERTIFICATE, _KEY, "certificate"),
        (pair.key, _KEY, _CERTIFICATE, "private key"),
    ):
        if not pattern.search(pem.text):
            raise TlsProblem(pem, f"this is no {what} in PEM form", _pem_hint(pem, what, swapped=other))
    if passphrase is None and _ENCRYPTED.search(pair.key.text):
        raise TlsProblem(pair.key, "the private key is encrypted", "give its passphrase as server.https.passphrase")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    _load(context, pair, passphrase)
    seen = _handshake(context, pair)
    names = {value.lower() for kind, value in seen.get("subjectAltName", ()) if kind == "DNS"}
    if not seen.get("subjectAltName"):
        names = {value.lower() for part in seen.get("subject", ()) for kind, value in part if kind == "commonName"}
    expires = datetime.fromtimestamp(ssl.cert_time_to_seconds(seen["notAfter"]), UTC)
    return Certified(context, frozenset(names), expires, pair)


def _pem_hint(pem: Pem, what: str, *, swapped: re.Pattern[bytes]) -> str:
    if swapped.search(pem.text):
        return "the values of `key` and `cert` look interchanged"
    if pem.path is not None and pem.text[:1] == b"\x30":
        kind = "x509" if what == "certificate" else "pkey"
        return f"it looks like DER; convert it: openssl {kind} -inform der -in {pem.path} -out {pem.path}.pem"
    begin = "CERTIFICATE" if what == "certificate" else "PRIVATE KEY"
    hint = f"it has to contain a block that begins with -----BEGIN {begin}-----"
    return hint if pem.path is not None else f'{hint}; a file is given as {{"path": "..."}}'


def _load(context: ssl.SSLContext, pair: CertifiedKey, passphrase: str | None) -> None:
    try:
        # A file, because nothing else is taken; a passphrase always, because OpenSSL would ask the terminal for it.
        with _as_file(pair.cert.text) as cert, _as_file(pair.key.text) as key:
            context.load_cert_chain(cert, key, password=passphrase or "")
    except (ssl.SSLError, ValueError) as error:
        raise _load_problem(pair, getattr(error, "reason", None) or str(error)) from error


def _load_problem(pair: CertifiedKey, reason: str) -> TlsProblem:
    if "VALUES_MISMATCH" in reason or "TYPE_MISMATCH" in reason:
        return TlsProblem(
            pair.key,
            f"the private key does not belong to the certificate in {pair.cert.where}",
            "give the key that the certificate was requested with; in a chain, the server's comes first",
        )
    if "TOO_SMALL" in reason or "TOO_WEAK" in reason:
        return TlsProblem(
            pair.cert,
            f"the certificate is too weak for OpenSSL ({reason.lower().replace('_', ' ')})",
            "have it issued with a key of RSA 2048 or P-256, and SHA-256",
        )
    if _ENCRYPTED.search(pair.key.text):
        return TlsProblem(pair.key, "the passphrase does not decrypt the private key", "check server.https.passphrase")
    return TlsProblem(
        pair.key,
        f"the private key, or the certificate in {pair.cert.where}, is damaged ({reason.lower().replace('_', ' ')})",
        "check them: openssl pkey -in KEY -noout; openssl x509 -in CERT -noout -subject",
    )


def _configure(context: ssl.SSLContext, options: TlsOptions, protocols: Sequence[str]) -> None:
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.set_ciphers(CIPHERS)
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_CIPHER_SERVER_PREFERENCE | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(list(protocols))
    for pem in options.ca:
        try:
            context.load_verify_locations(cadata=_certificates(pem))
        except (ssl.SSLError, ValueError) as error:
            raise TlsProblem(
                pem, "this is no certificate of an authority", "give its certificate in PEM form"
            ) from error
    if options.request_cert:
        if not options.ca:
            context.load_default_certs(ssl.Purpose.CLIENT_AUTH)
        context.verify_mode = ssl.CERT_REQUIRED if options.reject_unauthorized else ssl.CERT_OPTIONAL


def _certificates(pem: Pem) -> str:
    """Return the certificates alone: a chain may have comments between them."""
    return "\n".join(found.decode("ascii") for found in _CERTIFICATE.findall(pem.text))


def _handshake(context: ssl.SSLContext, pair: CertifiedKey) -> Mapping[str, Any]:
    """Return the certificate that a client of the context gets. Raises TlsProblem."""
    client = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    client.check_hostname = False
    client.verify_flags = ssl.VerifyFlags.VERIFY_X509_PARTIAL_CHAIN
    # As an operator of OpenSSL: an expired certificate is served, and the log says so.
    client.verify_flags |= NO_CHECK_TIME
    try:
        client.load_verify_locations(cadata=_certificates(pair.cert))
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [
            client.wrap_bio(back, there, server_hostname="localhost"),
            context.wrap_bio(there, back, server_side=True),
        ]
        for step in range(8):  # of which a handshake takes four
            try:
                ends[step % 2].do_handshake()
            except ssl.SSLWantReadError:
                continue
        return ends[0].getpeercert() or {}
    except (ssl.SSLError, ValueError) as error:
        reason = getattr(error, "verify_message", None) or getattr(error, "reason", None) or str(error)
        raise TlsProblem(
            pair.cert,
            f"no client could use this certificate ({reason})",
            "check that it is the server's certificate, followed by those of its authorities: "
            "openssl x509 -in CERT -noout -text",
        ) from error


@contextmanager
def _as_file(text: bytes) -> Iterator[str]:
    """Yield the name of a file with the text, which exists in memory only where the system can do that."""
    make: Callable[[str], int] | None = getattr(os, "memfd_create", None)
    if make is None:
        with tempfile.NamedTemporaryFile() as file:
            file.write(text)
            file.flush()
            yield file.name
        return
    descriptor = make("pem")
    try:
        os.write(descriptor, text)
        yield f"/proc/self/fd/{descriptor}"
    finally:
        os.close(descriptor)
