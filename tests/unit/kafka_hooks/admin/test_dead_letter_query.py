"""Queries about dead letters: their meaning, and errors for wrong parameters."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_services.kafka_hooks.admin.dead_letter_query import FILTERS, Query, read_place

KNOWN = FILTERS | {"rate", "limit", "dryRun", "to"}


def query(text: str) -> Query:
    return Query(text.encode(), KNOWN)


def test_what_is_meant() -> None:
    asked = query("from=orders&error=500&key=a%20b&olderThan=1h&newerThan=90&rate=0.5&limit=7&dryRun&to=other.topic")
    assert asked.filter() == Filter(topic="orders", error="500", key=b"a b", older_than=3600.0, newer_than=90.0)
    assert (asked.rate(), asked.limit(), asked.is_set("dryRun"), asked.topic("to")) == (0.5, 7, True, "other.topic")
    nothing = query("")
    assert nothing.filter() == Filter()
    assert (nothing.rate(), nothing.limit(), nothing.is_set("dryRun"), nothing.topic("to")) == (None, 100, False, None)
    assert not query("dryRun=false").is_set("dryRun")
    assert read_place("2@17") == (2, 17)


@pytest.mark.parametrize(
    ("text", "read", "told"),
    [
        *((f"rate={rate}", Query.rate, f"rate is {rate!r}; it takes a number of records per second from 0.1 to 1000000")
          for rate in ("inf", "nan", "0", "-1", "1e5", "x", "9" * 400)),
        *((f"olderThan={age}", Query.filter, f"olderThan is {age!r}; it takes seconds (90) or a duration (90s, 15m,")
          for age in ("", "inf", "1w", "-1", "1e9", "9999999d", "9" * 12)),
        *((f"limit={limit}", Query.limit, f"limit is {limit!r}; it takes a number from 1 to 10000.")
          for limit in ("0", "10001", "x", "1.5", "9" * 5000)),
        ("dryRun=yes", lambda asked: asked.is_set("dryRun"), "dryRun is 'yes'; it takes true, 1 or nothing for yes"),
        ("to=", lambda asked: asked.topic("to"), "to is ''; it takes the name of a topic"),
        ("to=..", lambda asked: asked.topic("to"), "to is '..'; it takes the name of a topic"),
        ("to=__offsets", lambda asked: asked.topic("to"), "not beginning with '__'"),
    ],
)  # fmt: skip
def test_what_is_wrong(text: str, read: Callable[[Query], object], told: str) -> None:
    with pytest.raises(ValueError, match=r".") as caught:
        read(query(text))
    assert told in str(caught.value)


def test_what_is_not_known() -> None:
    with pytest.raises(ValueError, match=r"kye is not known here; the parameters are: dryRun, error, from, key,"):
        query("kye=1")
    for place in ("x", "1", "@1", "1@", "-1@2", "1@" + "9" * 20):
        with pytest.raises(ValueError, match="write partition@offset, such as 0@17"):
            read_place(place)
