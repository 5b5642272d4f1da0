"""Reads the security of the service's Kafka clients: the block `security`, or `sasl` and `tls` in `consumer`.

The original takes them in `consumer` only, and its producers ignore them. Here either is for all clients.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from pywatt_kafka.security.oauth import ClientCredentials, FixedToken, TokenSource
from pywatt_kafka.security.options import Mechanism, Sasl, Security, Tls
from pywatt_services.diagnostics.problem_report import ReportProblem
from pywatt_services.kafka_hooks.config.pem_files import check_pair, pem_files

FROM_NODE = {"passphrase": "keyPassword", "rejectUnauthorized": "verify"}
"""Ours for the original's names, which are Node's."""


def read_security(
    block: Mapping[str, Any], consumer: Mapping[str, Any], folder: Path, report_problem: ReportProblem
) -> Security | None:
    """Return the security of the document, if any. Names of files are relative to `folder`, the service's."""
    found: dict[str, tuple[str, Any]] = {}
    for prefix, entry, names in (
        ("security", block, {"tls": "tls", "sasl": "sasl"}),
        ("consumer", consumer, {"tls": "tls", "ssl": "tls", "sasl": "sasl"}),
    ):
        for name, meaning in names.items():
            if name not in entry:
                continue
            key = f"{prefix}.{name}"
            if meaning in found:
                report_problem(key, f"{found[meaning][0]} says this already", "keep one of them")
            found.setdefault(meaning, (key, entry[name]))
    tls = _tls(*found["tls"], folder, report_problem) if "tls" in found else None
    sasl = _sasl(*found["sasl"], report_problem) if "sasl" in found else None
    return None if tls is None and sasl is None else Security(tls=tls, sasl=sasl)


def _tls(key: str, entry: bool | Mapping[str, Any], folder: Path, report_problem: ReportProblem) -> Tls | None:
    if entry is False:
        return None
    given = {} if entry is True else {FROM_NODE.get(name, name): value for name, value in entry.items()}
    files = pem_files(key, given, folder, report_problem)
    if given.get("key") and not given.get("cert"):
        report_problem(f"{key}.key", "a key without its certificate", "add cert")
    cert, own_key = files["cert"], files["key"]
    if cert is not None and (own_key is not None or "key" not in given):
        check_pair(key, cert, own_key, given.get("keyPassword"), report_problem)
    return Tls(**files, key_password=given.get("keyPassword"), verify=given.get("verify", True))


def _sasl(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> Sasl:
    mechanism = Mechanism(entry["mechanism"].upper())
    if mechanism is not Mechanism.OAUTHBEARER:
        for name in ("username", "password"):
            if not entry.get(name):
                report_problem(
                    f"{key}.{name}",
                    f"{mechanism.value} needs a {name}",
                    f'such as "{name}": "{{KAFKA_{name.upper()}}}"',
                )
        return Sasl(mechanism=mechanism, username=entry.get("username", ""), password=entry.get("password", ""))
    return Sasl(mechanism=mechanism, token=_token(key, entry, report_problem))


def _token(key: str, entry: Mapping[str, Any], report_problem: ReportProblem) -> TokenSource:
    if "oauth" not in entry:
        if not entry.get("token"):
            report_problem(
                f"{key}.oauth", "OAUTHBEARER needs a token", "add oauth (tokenUrl, clientId, clientSecret) or token"
            )
        return FixedToken(entry.get("token", ""))
    oauth: Mapping[str, Any] = entry["oauth"]
    if urlsplit(oauth["tokenUrl"]).scheme not in ("http", "https"):
        report_problem(
            f"{key}.oauth.tokenUrl", f"{oauth['tokenUrl']} is not an http or https URL", "the token endpoint's URL"
        )
    return ClientCredentials(
        url=oauth["tokenUrl"],
        client_id=oauth["clientId"],
        client_secret=oauth["clientSecret"],
        scope=oauth.get("scope", ""),
    )
