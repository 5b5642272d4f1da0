"""Content types of files by their names, and the codings that a client accepts (pure)."""

from __future__ import annotations

import mimetypes
import re

from pywatt.http.headers import Headers

CODINGS = {"br": ".br", "zstd": ".zst", "gzip": ".gz"}
"""Content codings and the suffixes of files in them, the best first."""
_TYPES = mimetypes.MimeTypes()
_TYPES.add_type("application/wasm", ".wasm")
_TYPES.add_type("application/manifest+json", ".webmanifest")
_TYPES.add_type("font/woff2", ".woff2")
_TYPES.add_type("image/avif", ".avif")
_TYPES.add_type("image/webp", ".webp")
_TYPES.add_type("text/javascript", ".js")
_TYPES.add_type("text/javascript", ".mjs")
_TEXT = frozenset({"application/json", "application/manifest+json", "application/xml", "image/svg+xml"})
_QUALITY = re.compile(r"([0-9.]+)\Z")
UNKNOWN = "application/octet-stream"


def content_type(name: str) -> bytes:
    """Return the content type of a file."""
    found, coding = _TYPES.guess_type(name)
    if found is None or coding is not None:
        # A file such as a.tar.gz is sent as it is, and its coding is not undone.
        return {"gzip": b"application/gzip"}.get(coding or "", UNKNOWN.encode())
    if found.startswith("text/") or found in _TEXT:
        found += "; charset=utf-8"
    return found.encode()


def accepted_codings(headers: Headers) -> list[str]:
    """Return the codings of CODINGS that the client accepts, the one that it likes best first."""
    accepted: dict[str, float] = {}
    for name, value in headers:
        if len(name) == 15 and name.lower() == b"accept-encoding":
            for item in value.decode("latin-1").lower().split(","):
                coding, _, parameters = item.partition(";")
                accepted[coding.strip()] = _quality(parameters)
    others = accepted.get("*", 0.0)
    weights = {coding: accepted.get(coding, others) for coding in CODINGS}
    return sorted((coding for coding in CODINGS if weights[coding] > 0), key=lambda coding: -weights[coding])


def _quality(parameters: str) -> float:
    name, _, value = parameters.partition("=")
    if name.strip() != "q":
        return 1.0
    try:
        return float(value)
    except ValueError:
        return 0.0
