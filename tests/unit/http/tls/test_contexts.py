"""Certificates that can be used and those that cannot; the one that a client gets."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from harness.certificates import Authority

from pywatt.http.tls.contexts import TlsContexts
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions, TlsProblem
from pywatt.http.tls.server_tls import ServerTls


def pem(key: str, path: Path) -> Pem:
    return Pem(key=f"server.https.{key}", text=path.read_bytes(), path=path)


def pair(files: tuple[Path, Path]) -> CertifiedKey:
    return CertifiedKey(cert=pem("cert", files[0]), key=pem("key", files[1]))


def options(*files: tuple[Path, Path], passphrase: str | None = None, request_cert: bool = False) -> TlsOptions:
    pairs = tuple(pair(each) for each in files)
    return TlsOptions(certificates=pairs, passphrase=passphrase, request_cert=request_cert)


def shown(contexts: TlsContexts, authority: Authority, name: str | None, ciphers: str = "") -> str:
    """Return the common name of the certificate that a client gets which asks for a name."""
    client = ssl.create_default_context(cafile=str(authority.file))
    client.check_hostname = False
    if ciphers:
        client.maximum_version = ssl.TLSVersion.TLSv1_2
        client.set_ciphers(ciphers)
    there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
    ends = [
        client.wrap_bio(back, there, server_hostname=name),
        contexts.default.wrap_bio(there, back, server_side=True),
    ]
    for step in range(8):
        try:
            ends[step % 2].do_handshake()
        except ssl.SSLWantReadError:
            continue
    seen = ends[0].getpeercert()
    assert seen is not None
    return str(dict(part[0] for part in seen["subject"])["commonName"])  # type: ignore[misc]


def test_each_client_gets_the_certificate_for_the_name_it_asks_for(authority: Authority) -> None:
    first = authority.issue("first", hosts=("first.example",))
    second = authority.issue("second", hosts=("second.example", "*.second.example"))
    contexts = TlsContexts(options(first, second), ["http/1.1"])
    names = {
        "first.example": "first",
        "second.example": "second",
        "SECOND.example": "second",
        "www.second.example": "second",
        "a.b.second.example": "first",
        "other.example": "first",
        None: "first",
    }
    assert {name: shown(contexts, authority, name) for name in names} == names


def test_two_keys_for_one_name_serve_two_kinds_of_clients(authority: Authority) -> None:
    curve = authority.issue("curve", hosts=("one.example",))
    rsa = authority.issue("rsa", hosts=("one.example",), is_rsa=True)
    contexts = TlsContexts(options(curve, rsa), ["http/1.1"])
    assert shown(contexts, authority, "one.example", "ECDHE-RSA-AES128-GCM-SHA256") == "rsa"
    assert shown(contexts, authority, "one.example", "ECDHE-ECDSA-AES128-GCM-SHA256") == "curve"


def test_an_encrypted_key_is_opened_with_its_passphrase(authority: Authority) -> None:
    files = authority.issue("locked", password="open sesame")
    assert shown(TlsContexts(options(files, passphrase="open sesame"), ["http/1.1"]), authority, None) == "locked"


def test_only_modern_versions_and_ciphers_are_spoken(authority: Authority) -> None:
    context = TlsContexts(options(authority.issue("modern")), ["http/1.1"]).default
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert all(cipher["aead"] for cipher in context.get_ciphers())
    assert context.options & ssl.OP_NO_RENEGOTIATION


def problem(made: TlsOptions) -> TlsProblem:
    with pytest.raises(TlsProblem) as raised:
        TlsContexts(made, ["http/1.1"])
    return raised.value


@pytest.mark.parametrize(
    ("case", "key", "message", "hint"),
    [
        ("mismatch", "key", "the private key does not belong to the certificate", "requested with"),
        ("locked", "key", "the private key is encrypted", "server.https.passphrase"),
        ("wrong passphrase", "key", "the passphrase does not decrypt", "server.https.passphrase"),
        ("interchanged", "cert", "this is no certificate in PEM form", "interchanged"),
        ("der", "cert", "this is no certificate in PEM form", "openssl x509 -inform der"),
        ("no key", "key", "this is no private key in PEM form", "-----BEGIN PRIVATE KEY-----"),
        ("damaged", "key", "is damaged", "openssl pkey"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_told_by_key_file_and_remedy(
    authority: Authority, folder: Path, case: str, key: str, message: str, hint: str
) -> None:
    good, locked = authority.issue("good"), authority.issue("locked", password="x")
    other = authority.issue("other")
    der, empty, damaged = folder / "der.cert", folder / "empty", folder / "damaged"
    der.write_bytes(ssl.PEM_cert_to_DER_cert(good[0].read_text()))
    empty.write_text("")
    damaged.write_text(good[1].read_text().replace("M", "N", 2))
    made = {
        "mismatch": options((good[0], other[1])),
        "locked": options(locked),
        "wrong passphrase": options(locked, passphrase="y"),
        "interchanged": options((good[1], good[0])),
        "der": options((der, good[1])),
        "no key": options((good[0], empty)),
        "damaged": options((good[0], damaged)),
    }[case]
    found = problem(made)
    assert found.pem.key == f"server.https.{key}"
    assert found.pem.path is not None
    assert found.pem.path.name in str(found)
    assert message in found.message
    assert hint in found.hint


def test_a_certificate_that_expires_soon_is_told(authority: Authority) -> None:
    made = options(authority.issue("soon"))
    assert "expires on" in ServerTls(made).warnings[0]
    late = datetime.now(UTC) + timedelta(days=3)
    assert "has expired on" in ServerTls(made, wall_clock=lambda: late).warnings[0]
    early = datetime.now(UTC) - timedelta(days=30)
    assert ServerTls(made, wall_clock=lambda: early).warnings == []
