"""Names and attributes of HTTP spans by the stable semantic conventions (pure).

https://opentelemetry.io/docs/specs/semconv/http/http-spans/
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

METHODS = frozenset({"CONNECT", "DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT", "QUERY", "TRACE"})
OTHER = "_OTHER"
_SECRET = re.compile(
    r"(?i)(^|&)((?:aws_?access_?key_?id|signature|sig|x-goog-signature|token|api_?key|password)=)[^&]*"
)
"""Parameters of a query whose values are hidden: those of the conventions, and the usual names of secrets."""


def method_attributes(method: str) -> dict[str, Any]:
    """Return the attributes of a method; one that is not known must not make a new value for each client's idea."""
    if method in METHODS:
        return {"http.request.method": method}
    return {"http.request.method": OTHER, "http.request.method_original": method}


def span_name(method: str, route: str = "") -> str:
    """Return the name of a server's span; paths do not belong in it, as there may be any number of them."""
    verb = method if method in METHODS else "HTTP"
    return f"{verb} {route}" if route else verb


def hidden_query(query: str) -> str:
    """Return a query without the values of secrets."""
    return _SECRET.sub(r"\1\2REDACTED", query)


def hidden_path(target: str) -> str:
    """Return a path with its query, without the values of secrets."""
    path, mark, query = target.partition("?")
    return f"{path}{mark}{hidden_query(query)}"


def server_attributes(
    method: str, path: str, query: bytes, authority: str, fields: Iterable[tuple[bytes, bytes]]
) -> dict[str, Any]:
    """Return the attributes of a server's span. `query`: without its `?`. `fields`: names in lower case."""
    attributes: dict[str, Any] = {
        **method_attributes(method),
        "url.scheme": "http",
        "url.path": path,
        **host_and_port(authority, 80),
    }
    if query:
        attributes["url.query"] = hidden_query(query.decode("latin-1"))
    agent = next((value for name, value in fields if name == b"user-agent"), None)
    if agent is not None:
        attributes["user_agent.original"] = agent.decode("latin-1")
    return attributes


def host_and_port(authority: str, default: int | None = None) -> dict[str, Any]:
    """Return the attributes for the address of a server: a Host header, or the authority of a URL."""
    host, port = authority, default
    if authority.startswith("["):
        host, _, rest = authority[1:].partition("]")
        given = rest.removeprefix(":")
    else:
        host, _, given = authority.partition(":")
    if given.isdecimal() and len(given) <= 5:
        port = int(given)
    if not host:
        return {}
    return {"server.address": host} if port is None else {"server.address": host, "server.port": port}


def is_server_error(status: int) -> bool:
    """Return whether a status makes a server's span an error: what a client did wrong does not."""
    return status >= 500
