"""Tests of the choice of a client id."""

from __future__ import annotations

import pytest

from pywatt_kafka.connection.client_id import client_id_from


@pytest.mark.parametrize(
    ("given", "environ", "expected"),
    [
        (None, {}, "pywatt"),
        (None, {"KAFKA_CLIENT_ID": " "}, "pywatt"),
        (None, {"KAFKA_CLIENT_ID": "orders"}, "orders"),
        ("mine", {"KAFKA_CLIENT_ID": "orders"}, "mine"),
    ],
)
def test_client_id(given: str | None, environ: dict[str, str], expected: str) -> None:
    """The argument comes before the variable, and that before the default."""
    assert client_id_from(given, environ) == expected
