"""The options of compression."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any

from pywatt.service_type import Requirement

ENCODINGS = ("zstd", "br", "gzip")
"""All codings, the preferred ones first."""
TYPES = (
    "application/atom+xml",
    "application/javascript",
    "application/json",
    "application/ld+json",
    "application/manifest+json",
    "application/rss+xml",
    "application/wasm",
    "application/x-ndjson",
    "application/xhtml+xml",
    "application/xml",
    "application/yaml",
    "image/svg+xml",
    "text/*",
    "*/*+json",
    "*/*+xml",
)
"""Types of content that get smaller."""
MIN_SIZE = 1024
ZSTD_IN_PYTHON = (3, 14)


@dataclass(frozen=True, slots=True, kw_only=True)
class CompressionOptions:
    """The compression of the responses of one route."""

    encodings: tuple[str, ...] | None = None
    """The codings, the preferred ones first; None: all that are installed."""
    min_size: int = MIN_SIZE
    """Bytes below which a body is left as it is, where its length is known."""
    types: tuple[str, ...] = TYPES
    """Types of content in lower case; `text/*` and `*/*+json` stand for several."""
    level: int | None = None
    """None: that of each coding which is quick and good."""


def compression_options(value: bool | Mapping[str, Any] | None) -> CompressionOptions | None:
    """Return the options in a valid block; None: nothing is compressed."""
    if value is None or isinstance(value, bool):
        return CompressionOptions() if value else None
    encodings = value.get("encodings")
    return CompressionOptions(
        encodings=None if encodings is None else tuple(dict.fromkeys(encodings)),
        min_size=value.get("minSize", MIN_SIZE),
        types=tuple(kind.lower() for kind in value.get("types", TYPES)),
        level=value.get("level"),
    )


def requirements(routes: Iterable[CompressionOptions | None]) -> tuple[Requirement, ...]:
    """Return the packages of the codings that routes name."""
    encodings = [encoding for options in routes if options is not None for encoding in options.encodings or ()]
    return tuple(
        Requirement(
            module=module,
            package="brotli" if encoding == "br" else "zstandard",
            extra="compression",
            needed_by=f'the encoding "{encoding}" of compression',
        )
        for encoding in dict.fromkeys(encodings)
        if (module := module_of(encoding)) is not None
    )


def available(options: CompressionOptions) -> tuple[str, ...]:
    """Return the codings that can be used here."""
    if options.encodings is not None:
        return options.encodings
    return tuple(coding for coding in ENCODINGS if (module := module_of(coding)) is None or find_spec(module))


def module_of(encoding: str) -> str | None:
    """Return the module that a coding needs; None: it is a part of Python."""
    if encoding == "br":
        return "brotli"
    return "zstandard" if encoding == "zstd" and sys.version_info < ZSTD_IN_PYTHON else None
