"""The URL of the dashboard (pure)."""

from __future__ import annotations

import socket

ANY = {"0.0.0.0": "127.0.0.1", "::": "::1"}
"""Addresses that stand for all of the machine, by one that a browser on it can use."""


def dashboard_url(address: socket.socket, token: str | None) -> str:
    """Return the URL of its listening socket.

    The token stands in the fragment, which browsers send to nobody: no log and no Referer header gets it.
    """
    name: str
    name, port = address.getsockname()[:2]
    host = ANY.get(name, name)
    place = f"[{host}]" if ":" in host else host
    return f"http://{place}:{port}/" + (f"#token={token}" if token is not None else "")
