"""Names of the attributes of messaging spans."""

from __future__ import annotations

import pytest

from pywatt_kafka.tracing.attributes import (
    DESTINATION,
    OFFSET,
    SYSTEM,
    NamingMode,
    Value,
    key_attribute,
    named,
    naming_mode,
)

GIVEN: dict[str, Value] = {SYSTEM: "kafka", DESTINATION: "orders", OFFSET: 3}


@pytest.mark.parametrize(
    ("variable", "mode"),
    [
        ("", NamingMode.OLDER),
        ("http", NamingMode.OLDER),
        ("http, messaging", NamingMode.CURRENT),
        ("messaging/dup", NamingMode.BOTH),
        ("messaging,messaging/dup", NamingMode.BOTH),
    ],
)
def test_mode(variable: str, mode: NamingMode) -> None:
    assert naming_mode({"OTEL_SEMCONV_STABILITY_OPT_IN": variable}) is mode


def test_names() -> None:
    assert naming_mode({}) is NamingMode.OLDER
    assert named(GIVEN, NamingMode.CURRENT) == GIVEN
    older = {"messaging.system": "kafka", "messaging.destination.name": "orders", "messaging.kafka.offset": 3}
    assert named(GIVEN, NamingMode.OLDER) == older
    assert named(GIVEN, NamingMode.BOTH) == {**GIVEN, **older}


def test_only_a_key_that_is_text_is_told() -> None:
    assert key_attribute("é".encode()) == {"kafka.message.key": "é"}
    assert key_attribute(b"\xff") == key_attribute(None) == {}
