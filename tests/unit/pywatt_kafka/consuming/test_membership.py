"""A consumer takes the fields of its membership one by one or together."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt_kafka import GroupReader, Membership

MEMBERSHIP = Membership(group="billing", instance_id="a", session_timeout=6.0)


def test_heartbeats_fit_the_session() -> None:
    assert Membership(group="billing").heartbeat == 3.0
    assert MEMBERSHIP.heartbeat == 2.0
    assert Membership(group="billing", session_timeout=6.0, heartbeat_interval=1.0).heartbeat == 1.0


def test_both_forms_are_taken() -> None:
    GroupReader("a:1", membership=MEMBERSHIP, topics=["orders"])
    GroupReader("a:1", group="billing", instance_id="a", session_timeout=6.0, topics=["orders"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({}, "required keyword-only argument: 'group'"),
        ({"group": "billing", "nothing": 1}, "nothing"),
        ({"group": "billing", "membership": MEMBERSHIP}, "group: given beside membership"),
    ],
)
def test_others_are_refused(arguments: dict[str, Any], message: str) -> None:
    with pytest.raises(TypeError, match=message):
        GroupReader("a:1", **arguments)
