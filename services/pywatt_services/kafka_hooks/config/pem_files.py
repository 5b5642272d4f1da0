"""Reads the files of certificates and keys once while the config is checked: a broken one is found now, not later."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from pathlib import Path

from pywatt_services.diagnostics.problem_report import ReportProblem

PEM = "-----BEGIN"
CERTIFICATES = (
    "-----BEGIN CERTIFICATE-----",
    "-----BEGIN TRUSTED CERTIFICATE-----",
    "-----BEGIN X509 CERTIFICATE-----",
)
KEY = "PRIVATE KEY-----"
WANTED = {"ca": "a certificate", "cert": "a certificate", "key": "a private key"}


def pem_files(key: str, given: Mapping[str, str], folder: Path, report_problem: ReportProblem) -> dict[str, str | None]:
    """Return the paths of the files `ca`, `cert` and `key`; None for a missing or unusable one."""
    found: dict[str, str | None] = {}
    for name, wanted in WANTED.items():
        found[name] = None
        value = given.get(name)
        if value is None:
            continue
        if PEM in value:
            report_problem(f"{key}.{name}", "this is the content of a file", "put it into a file and name that here")
            continue
        path = folder / value
        if not path.is_file():
            report_problem(f"{key}.{name}", f"there is no file {path}", "the name is relative to the service's folder")
        elif (wrong := _wrong(name, path)) is not None:
            report_problem(f"{key}.{name}", f"{path} {wrong}", f"a PEM file that holds {wanted}")
        else:
            found[name] = str(path)
    return found


def check_pair(key: str, cert: str, own_key: str | None, password: str | None, report_problem: ReportProblem) -> None:
    """Refuse a certificate and a key that do not belong together, and a password that does not open the key."""
    try:
        # asked for a password it would wait at the terminal
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_cert_chain(cert, own_key, password or "")
    except OSError as error:
        name = "cert" if own_key is None else "key"
        file = cert if own_key is None else own_key
        if "ENCRYPTED" in Path(file).read_text("utf-8", "replace"):
            report_problem(
                f"{key}.keyPassword",
                f"the key in {file} cannot be opened" + (" with this password" if password else ": it has a password"),
                'such as "keyPassword": "{KEY_PASSWORD}"; or it belongs to another certificate',
            )
        elif own_key is None:
            report_problem(f"{key}.{name}", f"{cert} holds no key of its certificate: {_words(error)}", "add key")
        else:
            message = f"{own_key} is not the key of the certificate in {cert}: {_words(error)}"
            report_problem(f"{key}.{name}", message, "name the key that the certificate was made for")


def _wrong(name: str, path: Path) -> str | None:
    """Return the problem of a file, in words that follow its name."""
    try:
        text = path.read_text("utf-8", "replace")
    except OSError as error:
        return f"cannot be read: {error.strerror}"
    if name == "key":
        return None if KEY in text else "holds no private key in PEM"
    if not any(begin in text for begin in CERTIFICATES):
        return "holds no certificate in PEM"
    try:
        ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT).load_verify_locations(str(path))
    except OSError as error:
        return f"holds a certificate that cannot be used: {_words(error)}"
    return None


def _words(error: OSError) -> str:
    return getattr(error, "reason", None) or error.strerror or str(error)
