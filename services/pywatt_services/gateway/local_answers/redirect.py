"""The address that a redirect leads to (pure). A request can change the path and the query, and never the host."""

from __future__ import annotations

from pywatt_services.gateway.local_answers.options import PLACE, RedirectOptions


def location(
    options: RedirectOptions, *, host: bytes, base_path: bytes, path: bytes, prefix: bytes, query: bytes
) -> bytes:
    """Return the value of Location. `path`: below `base_path`, that of the gateway. `prefix`: that of the route."""
    rest = path[len(prefix) :]
    values = {
        "request.host": host.rpartition(b":")[0] if b":" in host and not host.endswith(b"]") else host,
        # Two slashes at the start would name a host.
        "request.rest": b"/" + rest.lstrip(b"/") if rest else b"",
        "request.path": path,
        "request.query": query,
    }
    parts = PLACE.split(options.to)
    target = b"".join(values[part] if number % 2 else part.encode() for number, part in enumerate(parts))
    if options.to.startswith(("http://", "https://")):
        return target
    return base_path + b"/" + target.lstrip(b"/")
