"""The environ of a WSGI request, made from an ASGI scope."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from functools import lru_cache
from typing import Any
from urllib.parse import unquote_to_bytes
from wsgiref.util import FileWrapper

from pywatt.http.headers import Header
from pywatt.worker.asgi.lifespan import Scope

REPLACED = "\N{REPLACEMENT CHARACTER}"
"""Stands in a scope's path for bytes that are not UTF-8."""
OWN_KEYS = {b"content-type": "CONTENT_TYPE", b"content-length": "CONTENT_LENGTH"}
DROPPED = frozenset({b"proxy", b"transfer-encoding"})
"""`Proxy` would become HTTP_PROXY, which programs take for their own setting (httpoxy). The body is decoded."""


def environ_of(scope: Scope, body: Any, body_size: int | None = None) -> dict[str, Any]:
    """Return the environ. `body`: a binary file. `body_size`: of a request that does not say so itself."""
    script_name, path = _paths(scope)
    query = scope["query_string"].decode("latin-1")
    raw = scope.get("raw_path")
    target = raw.decode("latin-1") if raw else scope["path"]
    # Frameworks that look for the target as it was sent know it by either name.
    target = f"{target}?{query}" if query else target
    server, port = scope.get("server") or ("localhost", None)
    environ: dict[str, Any] = {
        "REQUEST_METHOD": scope["method"],
        "SCRIPT_NAME": script_name,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "RAW_URI": target,
        "REQUEST_URI": target,
        "SERVER_NAME": server,
        "SERVER_PORT": str(port or (443 if scope["scheme"] == "https" else 80)),
        "SERVER_PROTOCOL": f"HTTP/{scope['http_version']}",
        "SERVER_SOFTWARE": "pywatt",
        "wsgi.version": (1, 0),
        "wsgi.url_scheme": scope["scheme"],
        "wsgi.input": body,
        "wsgi.input_terminated": True,
        "wsgi.errors": sys.stderr,
        "wsgi.multithread": True,
        "wsgi.multiprocess": True,
        "wsgi.run_once": False,
        "wsgi.file_wrapper": FileWrapper,
    }
    if client := scope.get("client"):
        environ["REMOTE_ADDR"] = client[0]
        environ["REMOTE_PORT"] = str(client[1])
    _add_headers(environ, scope["headers"])
    if body_size is not None:
        environ["CONTENT_LENGTH"] = str(body_size)
    return environ


def _paths(scope: Scope) -> tuple[str, str]:
    """Return SCRIPT_NAME and PATH_INFO: bytes as latin-1, as WSGI has all strings."""
    prefix: str = scope.get("root_path", "").rstrip("/")
    path: str = scope["path"]
    if path.startswith(prefix) and path[len(prefix) : len(prefix) + 1] in ("/", ""):
        path = path[len(prefix) :]
        if REPLACED in path and (raw := scope.get("raw_path")):
            path_bytes = unquote_to_bytes(raw)[len(prefix.encode()) :]
            return _as_latin_1(prefix), path_bytes.decode("latin-1")
    return _as_latin_1(prefix), _as_latin_1(path)


def _as_latin_1(text: str) -> str:
    return text if text.isascii() else text.encode("utf-8", "surrogateescape").decode("latin-1")


def _add_headers(environ: dict[str, Any], headers: Iterable[Header]) -> None:
    for name, value in headers:
        key = _key(name)
        if not key:
            continue
        text = value.decode("latin-1")
        if key in environ:
            text = f"{environ[key]}{'; ' if key == 'HTTP_COOKIE' else ','}{text}"
        environ[key] = text


@lru_cache(maxsize=512)
def _key(name: bytes) -> str:
    """Return a header's key, empty for one that is left out: of `X_A` nobody could tell that it is not `X-A`."""
    name = name.lower()
    if name in DROPPED or b"_" in name:
        return ""
    return OWN_KEYS.get(name) or "HTTP_" + name.decode("latin-1").upper().replace("-", "_")
