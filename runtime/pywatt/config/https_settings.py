"""Reads the block `server.https`: certificates and keys from the configuration itself or from files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pywatt.config.diagnostics.diagnostics import Diagnostics
from pywatt.config.files.document import Document
from pywatt.config.files.key_path import KeyPath, parse_key_path
from pywatt.config.supervision import MILLISECONDS
from pywatt.http.tls.options import CertifiedKey, Pem, TlsOptions

HTTPS = "server.https"


def https_config(block: Mapping[str, Any] | None, folder: Path) -> TlsOptions | None:
    """Return the settings in a valid block; None without it. `folder`: of its file.

    The text of a file that cannot be read is empty; `check_https` reports it.
    """
    if block is None or "cert" not in block or "key" not in block:
        return None  # the schema has refused it
    certs, keys = _pems(block["cert"], "cert", folder), _pems(block["key"], "key", folder)
    defaults = TlsOptions(certificates=())
    return TlsOptions(
        certificates=tuple(CertifiedKey(cert=cert, key=key) for cert, key in zip(certs, keys, strict=False)),
        passphrase=block.get("passphrase"),
        ca=_pems(block.get("ca", ()), "ca", folder),
        request_cert=block.get("requestCert", defaults.request_cert),
        allow_http1=block.get("allowHTTP1", defaults.allow_http1),
        reject_unauthorized=block.get("rejectUnauthorized", defaults.reject_unauthorized),
        handshake_timeout=block["handshakeTimeout"] / MILLISECONDS
        if "handshakeTimeout" in block
        else defaults.handshake_timeout,
    )


def check_block(
    block: Mapping[str, Any], options: TlsOptions, document: Document, above: KeyPath, diagnostics: Diagnostics
) -> None:
    """Report certificates and keys that cannot be used, and warn of those that expire.

    `above`: the place of `server`.
    """
    # Only an app with TLS pays for the import.
    from pywatt.http.tls.options import TlsProblem
    from pywatt.http.tls.server_tls import ServerTls, read_pem

    def report(key: str, message: str, hint: str) -> None:
        place = parse_key_path(key, {"server": {"https": block}})
        diagnostics.problem(document, (*above, *place), message, hint)

    certs, keys = _listed(block["cert"]), _listed(block["key"])
    if len(certs) != len(keys) or not certs:
        message = f"there are {len(certs)} certificates and {len(keys)} keys; each needs the other, in the same order"
        report(f"{HTTPS}.key", message, "give one key for each certificate")
        return
    failed = False
    for pem in options.pems:
        if pem.path is not None:
            try:
                read_pem(pem.path)
            except OSError as error:
                failed = True
                hint = "give a path relative to this file, or an absolute one, that the user of the app can read"
                report(pem.key, f"{pem.path} cannot be read: {error.strerror}", hint)
    if failed:
        return
    if options.ca and not options.request_cert:
        report(f"{HTTPS}.ca", "authorities of client certificates are without effect here", "set requestCert to true")
    try:
        tls = ServerTls(options)
    except TlsProblem as problem:
        where = f"{problem.pem.path}: " if problem.pem.path is not None else ""
        report(problem.pem.key, where + problem.message, problem.hint)
        return
    for warning in tls.warnings:
        diagnostics.warn(document, warning)


def _listed(value: Any) -> Sequence[Any]:
    return value if isinstance(value, (list, tuple)) else [value]


def _pems(value: Any, name: str, folder: Path) -> tuple[Pem, ...]:
    if not isinstance(value, (list, tuple)):
        return (_pem(value, f"{HTTPS}.{name}", folder),)
    return tuple(_pem(item, f"{HTTPS}.{name}[{index}]", folder) for index, item in enumerate(value))


def _pem(value: str | Mapping[str, str] | None, key: str, folder: Path) -> Pem:
    if value is None or isinstance(value, str):  # None: the schema has refused it
        return Pem(key=key, text=(value or "").encode())
    from pywatt.http.tls.server_tls import read_pem

    path = folder / value["path"]
    try:
        return Pem(key=key, text=read_pem(path), path=path)
    except OSError:
        return Pem(key=key, text=b"", path=path)
