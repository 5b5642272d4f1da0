"""Chooses the client id, by which brokers name a client in their logs, quotas and group descriptions."""

from __future__ import annotations

from collections.abc import Mapping

CLIENT_ID_VARIABLE = "KAFKA_CLIENT_ID"
DEFAULT_CLIENT_ID = "pywatt"


def client_id_from(value: str | None, environ: Mapping[str, str]) -> str:
    """Return the client id given, else the variable `KAFKA_CLIENT_ID`, else `pywatt`."""
    return value or environ.get(CLIENT_ID_VARIABLE, "").strip() or DEFAULT_CLIENT_ID
