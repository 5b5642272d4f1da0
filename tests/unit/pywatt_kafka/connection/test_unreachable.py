"""Tests of the words for a cluster that cannot be reached."""

from __future__ import annotations

import pytest

from pywatt_kafka.connection.unreachable import unreachable_cluster

A, B, C = "a:1", "b:1", "c:1"


@pytest.mark.parametrize(
    ("brokers", "reasons", "reached", "message"),
    [
        ((A,), {}, (), "no Kafka broker answers at a:1"),
        ((A,), {A: "refused"}, (), "no Kafka broker answers at a:1: refused"),
        ((A, B), {A: "refused", B: "no name"}, (), "no Kafka broker answers at a:1,b:1 (a:1: refused; b:1: no name)"),
        (
            (A,),
            {C: "gone"},
            (),
            "a Kafka broker answers at a:1, but sends its clients to c:1 (its advertised.listeners), and there: gone",
        ),
        ((A,), {C: "refused"}, (C,), "no Kafka broker answers at a:1 (c:1: refused)"),  # it was reached there before
        ((A,), {A: "refused", C: "refused"}, (), "no Kafka broker answers at a:1 (a:1: refused; c:1: refused)"),
    ],
)
def test_message(brokers: tuple[str, ...], reasons: dict[str, str], reached: tuple[str, ...], message: str) -> None:
    assert unreachable_cluster(brokers, reasons, reached).message == message
