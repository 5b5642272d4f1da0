"""The block `server.https`: its problems, and what becomes of it."""

from __future__ import annotations

from typing import Any

import pytest
from harness.certificates import Authority


def files(**https: Any) -> dict[str, Any]:
    block = {"cert": {"path": "tls/server.pem"}, "key": {"path": "tls/server.key"}, **https}
    return {
        "watt.json": {"server": {"https": block}, "web": [{"id": "api", "path": "api"}]},
        "api/platformatic.json": {"type": "python"},
        "api/app.py": "",
    }


@pytest.fixture
def authority(app: Any) -> Authority:
    folder = app.path / "tls"
    folder.mkdir(parents=True)
    made = Authority(folder)
    made.issue("server", hosts=("a.example",))
    made.issue("other")
    made.issue("locked", password="x")
    return made


def test_the_files_are_read(app: Any, authority: Authority) -> None:
    https = app.load(files(redirectFrom=8080, requestCert=True, ca={"path": "tls/ca.pem"})).server.https
    (pair,) = https.certificates
    assert pair.cert.path == app.path / "tls/server.pem"
    assert b"PRIVATE KEY" in pair.key.text
    assert "PRIVATE KEY" not in repr(https)
    assert (https.request_cert, https.reject_unauthorized, len(https.ca)) == (True, True, 1)


def test_text_of_the_configuration_is_taken_as_it_is(app: Any, authority: Authority) -> None:
    folder = app.path / "tls"
    texts = {"cert": (folder / "server.pem").read_text(), "key": [(folder / "server.key").read_text()]}
    (pair,) = app.load(files(**texts)).server.https.certificates
    assert pair.cert.path is None


def test_soon_expired_certificates_are_a_warning(app: Any, authority: Authority) -> None:
    assert any("the certificate expires on" in warning for warning in app.load(files()).warnings)


@pytest.mark.parametrize(
    ("https", "key", "message", "hint"),
    [
        ({"key": {"path": "no.key"}}, "server.https.key", "no.key cannot be read: No such file", "relative to this"),
        ({"key": {"path": "tls"}}, "server.https.key", "cannot be read: Is a directory", "relative to this file"),
        ({"key": {"path": "tls/other.key"}}, "server.https.key", "does not belong to the certificate", "requested"),
        (
            {"cert": {"path": "tls/locked.pem"}, "key": {"path": "tls/locked.key"}},
            "server.https.key",
            "the private key is encrypted",
            "server.https.passphrase",
        ),
        ({"cert": "tls/server.pem"}, "server.https.cert", "no certificate in PEM form", '{"path": "..."}'),
        ({"ca": [{"path": "tls/ca.pem"}]}, "server.https.ca", "without effect", "requestCert"),
        (
            {"cert": [{"path": "tls/server.pem"}, {"path": "tls/other.pem"}], "key": [{"path": "tls/server.key"}]},
            "server.https.key",
            "2 certificates and 1 keys",
            "one key for each",
        ),
        (
            {"requestCert": True, "ca": [{"path": "tls/server.key"}]},
            "server.https.ca[0]",
            "no certificate of an authority",
            "PEM",
        ),
        ({"allowHTTP1": False}, "server.https.allowHTTP1", "neither HTTP/1.1 nor HTTP/2", "server.http2"),
        ({"key": 5}, "server.https.key", "must be", ""),
        ({"keys": []}, "server.https.keys", "unknown key", 'did you mean "key"?'),
    ],
)
def test_problems_name_the_key_the_file_and_the_remedy(
    app: Any, authority: Authority, https: dict[str, Any], key: str, message: str, hint: str
) -> None:
    (problem,) = app.problems(files(**https))
    assert problem.file.endswith("watt.json")
    assert problem.key == key
    assert message in problem.message
    assert hint in problem.hint


def test_an_entrypoint_that_is_a_program_needs_a_gateway(app: Any, authority: Authority) -> None:
    made = files()
    made["api/platformatic.json"] = {"type": "command", "command": {"run": "sleep 1"}}
    assert any("put a gateway in front" in problem.hint for problem in app.problems(made, types=None))
