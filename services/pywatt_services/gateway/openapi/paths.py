"""Paths of documents at the gateway (pure), and those that requests are passed on for by a document only."""

from __future__ import annotations

import re

from pywatt_services.gateway.openapi.document import ApiDocument
from pywatt_services.gateway.openapi.options import METHODS, ApiSource

PARAMETER = re.compile(r"\{[^{}]*\}")
_ESCAPED_PARAMETER = re.compile(r"\\\{[^{}]*\\\}")
MOST_PATHS = 5000


def public_path(source: ApiSource, base: str, path: str) -> str | None:
    """Return the path at the gateway for one of a document; None: the gateway has none. `base`: of its servers."""
    if not path.startswith("/"):
        return None
    own = path if base == source.prefix else base + path  # which a service that knows its prefix may name
    rewrite = source.rewrite_prefix
    if rewrite:
        if not (own == rewrite or own.startswith(f"{rewrite}/")):
            return None
        own = own[len(rewrite) :]
    return f"{source.prefix}{own}" or "/"


class DocumentedPaths:
    """Stands in for the pattern of a route's paths, where a document has them; a path may have any method."""

    def __init__(self, source: ApiSource) -> None:
        self.source = source
        self._pattern: re.Pattern[bytes] | None = None

    def take(self, document: ApiDocument) -> None:
        """Pass requests on for the paths of a document from now on."""
        source = self.source
        alternatives = []
        for path, item in list(document.paths.items())[:MOST_PATHS]:
            public = public_path(source, document.base, path)
            methods = [method for method in METHODS if method in item and (path, method) not in source.ignored]
            if public is not None and methods and (path, "*") not in source.ignored:
                below = public[len(source.prefix) :] or "/"
                alternatives.append(_ESCAPED_PARAMETER.sub("[^/]+", re.escape(below)))
        self._pattern = re.compile("|".join(alternatives).encode()) if alternatives else None

    def fullmatch(self, path: bytes) -> re.Match[bytes] | None:
        """Return a match for a path of the document, behind the prefix."""
        return None if self._pattern is None else self._pattern.fullmatch(path)
