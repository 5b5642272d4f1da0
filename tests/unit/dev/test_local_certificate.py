"""The certificate of `pywatt dev --https`: made once, renewed in time, readable for its user only."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from pywatt.dev.local_certificate import LIFETIME, local_certificate
from pywatt.http.tls.contexts import TlsContexts


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    return {"XDG_STATE_HOME": str(tmp_path)}


def test_a_client_that_trusts_the_authority_accepts_it(environ: dict[str, str]) -> None:
    made = local_certificate(environ)
    server = TlsContexts(made.options, ["http/1.1"]).default
    client = ssl.create_default_context(cafile=str(made.authority))
    for name in ("localhost", "127.0.0.1", "::1"):
        there, back = ssl.MemoryBIO(), ssl.MemoryBIO()
        ends = [client.wrap_bio(back, there, server_hostname=name), server.wrap_bio(there, back, server_side=True)]
        for step in range(8):
            try:
                ends[step % 2].do_handshake()
            except ssl.SSLWantReadError:
                continue
        assert ends[0].getpeercert()


def test_it_is_made_once(environ: dict[str, str]) -> None:
    first = local_certificate(environ)
    texts = [file.read_bytes() for file in (first.cert, first.key, first.authority)]
    again = local_certificate(environ)
    assert texts == [file.read_bytes() for file in (again.cert, again.key, again.authority)]


def test_an_old_certificate_is_renewed_by_the_same_authority(environ: dict[str, str]) -> None:
    made = local_certificate(environ)
    authority, cert = made.authority.read_bytes(), made.cert.read_bytes()
    local_certificate(environ, now=datetime.now(UTC) + LIFETIME - timedelta(days=20))
    assert made.authority.read_bytes() == authority
    assert made.cert.read_bytes() != cert


@pytest.mark.parametrize("name", ["authority.key", "authority.pem", "localhost.pem", "localhost.key"])
def test_damaged_and_missing_files_are_made_again(environ: dict[str, str], name: str) -> None:
    made = local_certificate(environ)
    file = made.cert.with_name(name)
    for spoil in (lambda: file.write_text(""), file.unlink):
        spoil()
        TlsContexts(local_certificate(environ).options, ["http/1.1"])


def test_only_the_user_can_read_the_keys(environ: dict[str, str]) -> None:
    folder = local_certificate(environ).cert.parent
    assert folder.stat().st_mode & 0o777 == 0o700
    assert {file.stat().st_mode & 0o777 for file in folder.iterdir()} == {0o600}
