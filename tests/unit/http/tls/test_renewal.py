"""New certificate files: taken when they can be used, reported when they cannot."""

from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness.certificates import Authority

from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions
from pywatt.http.tls.server_tls import ServerTls


class Files:
    """A certificate and a key that are replaced."""

    def __init__(self, authority: Authority, folder: Path) -> None:
        self._authority = authority
        self.cert, self.key = folder / "tls.pem", folder / "tls.key"
        self.put("old")
        pairs = CertifiedKey(cert=self._pem("cert", self.cert), key=self._pem("key", self.key))
        self.tls = ServerTls(TlsOptions(certificates=(pairs,)))

    def put(self, name: str, *, cert: bool = True, key: bool = True) -> None:
        files = self._authority.issue(name, hosts=(f"{name}.example",))
        if cert:
            self._replace(files[0], self.cert)
        if key:
            self._replace(files[1], self.key)

    def _pem(self, key: str, path: Path) -> Pem:
        return Pem(key=f"server.https.{key}", text=path.read_bytes(), path=path)

    def _replace(self, source: Path, target: Path) -> None:
        fresh = target.with_suffix(".new")
        shutil.copy(source, fresh)
        os.replace(fresh, target)


@pytest.fixture
def files(authority: Authority, folder: Path) -> Files:
    return Files(authority, folder)


def errors(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelname == "ERROR"]


def test_unchanged_files_change_nothing(files: Files) -> None:
    context = files.tls.context
    files.tls.look()
    files.tls.look()
    assert files.tls.context is context


def test_new_files_are_served(files: Files) -> None:
    files.tls.look()
    files.put("new")
    files.tls.look()
    assert "new.example" in files.tls.summary


def test_a_certificate_whose_key_comes_a_moment_later_is_no_error(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.tls.look()
    files.put("new", cert=False)
    files.tls.look()
    assert "old.example" in files.tls.summary
    files.put("newer")
    files.tls.look()
    assert "newer.example" in files.tls.summary
    assert errors(caplog) == []


def test_a_broken_certificate_keeps_the_old_one_and_is_reported_once(
    files: Files, caplog: pytest.LogCaptureFixture
) -> None:
    files.tls.look()
    context = files.tls.context
    files.cert.write_text("no certificate")
    for _ in range(5):
        files.tls.look()
    assert files.tls.context is context
    (error,) = errors(caplog)
    assert "server.https.cert" in error
    assert str(files.cert) in error
    assert "the old ones stay: old.example" in error


def test_a_file_that_is_gone_keeps_the_old_certificate(files: Files, caplog: pytest.LogCaptureFixture) -> None:
    files.tls.look()
    files.key.unlink()
    for _ in range(3):
        files.tls.look()
    assert len(errors(caplog)) == 1
    files.put("back")
    files.tls.look()
    assert "back.example" in files.tls.summary
