"""The certificate of a client (mTLS), for the services behind: in the form of Envoy's X-Forwarded-Client-Cert."""

from __future__ import annotations

import asyncio
import hashlib
import re
import ssl
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, cast

_ATTRIBUTES = {
    "commonName": "CN",
    "organizationName": "O",
    "organizationalUnitName": "OU",
    "countryName": "C",
    "stateOrProvinceName": "ST",
    "localityName": "L",
    "domainComponent": "DC",
    "userId": "UID",
    "streetAddress": "STREET",
}
"""Short names of RFC 4514."""
_SPECIAL = re.compile(r'["+,;<>\\=]|^[ #]| $')
_NOT_SHOWN = re.compile(r"[^\x20-\x7e]")
_QUOTED = re.compile(r'[",;=\\ ]')

_VERSIONS = {"TLSv1.2": 0x0303, "TLSv1.3": 0x0304}

Names = Sequence[Sequence[tuple[str, str]]]


def is_secure(transport: asyncio.BaseTransport) -> bool:
    """Tell whether the client of a connection speaks TLS."""
    return transport.get_extra_info("sslcontext") is not None


def forwarded_client_certificate(transport: asyncio.BaseTransport) -> bytes:
    """Return the value of X-Forwarded-Client-Cert; empty without a certificate that was verified."""
    connection: ssl.SSLObject | None = transport.get_extra_info("ssl_object")
    if connection is None:
        return b""
    seen, der = _peer(connection)
    return forwarded_form(seen, der) if seen and der else b""


def forwarded_form(seen: Mapping[str, Any], der: bytes) -> bytes:
    """Return one element of X-Forwarded-Client-Cert; `seen`: what `getpeercert` tells."""
    parts = [f"Hash={hashlib.sha256(der).hexdigest()}", f'Subject="{_escaped(distinguished_name(seen["subject"]))}"']
    for kind, value in seen.get("subjectAltName", ()):
        if kind in ("URI", "DNS"):
            parts.append(f"{kind}={_value(value)}")
    return ";".join(parts).encode("ascii")


def distinguished_name(subject: Names) -> str:
    """Return a name as RFC 4514 writes it, in ASCII."""
    return ",".join("+".join(_attributes(part)) for part in reversed(subject))


def _attributes(part: Iterable[tuple[str, str]]) -> Iterable[str]:
    for kind, value in part:
        yield f"{_ATTRIBUTES.get(kind, kind)}={_hex(_SPECIAL.sub(lambda match: chr(92) + match[0], value))}"


def _hex(text: str) -> str:
    """Return text with what is no printable ASCII as pairs of hexadecimal digits."""
    return _NOT_SHOWN.sub(lambda match: "".join(f"\\{byte:02X}" for byte in match[0].encode()), text)


def _escaped(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"')


def _value(text: str) -> str:
    shown = _hex(text)
    return f'"{_escaped(shown)}"' if _QUOTED.search(shown) else shown


def tls_extension(transport: asyncio.BaseTransport) -> dict[str, Any]:
    """Return the extension `tls` of an ASGI scope for a secure connection."""
    connection: ssl.SSLObject = transport.get_extra_info("ssl_object")
    seen, der = _peer(connection)
    cipher = connection.cipher()
    return {
        "server_cert": None,
        "client_cert_chain": [ssl.DER_cert_to_PEM_cert(der)] if der else [],
        "client_cert_name": distinguished_name(seen["subject"]) if seen else None,
        "client_cert_error": None,
        "tls_version": _VERSIONS.get(connection.version() or ""),
        "cipher_suite": None if cipher is None else _cipher_number(connection.context, cipher[0]),
    }


def _peer(connection: ssl.SSLObject) -> tuple[Mapping[str, Any] | None, bytes | None]:
    """Return the verified certificate of the other end, as `ssl` tells it and in DER form."""
    return cast("Mapping[str, Any] | None", connection.getpeercert()), connection.getpeercert(binary_form=True)


def _cipher_number(context: ssl.SSLContext, name: str) -> int | None:
    """Return the number of a cipher suite in the registry of IANA."""
    return next((cipher["id"] & 0xFFFF for cipher in context.get_ciphers() if cipher["name"] == name), None)
