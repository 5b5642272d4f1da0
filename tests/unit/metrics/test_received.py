"""Metrics that services send: cumulative over restarts of their processes, and bounded."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pywatt.metrics.families import BY_BASE
from pywatt.metrics.family import Kind, Merge
from pywatt.metrics.page import Page, PageOptions
from pywatt.metrics.received import STALE_SECONDS, Point, ReceivedMetrics, Sender, histogram_numbers

FIRST, SECOND = Sender("api", "0", 41, "api:0:41"), Sender("api", "1", 42, "api:1:42")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def count(number: float, *, start: int = 1, is_delta: bool = False, family: str = "orders", **labels: str) -> Point:
    return Point(
        family=family,
        kind=Kind.COUNTER,
        merge=Merge.SUM,
        labels=tuple(sorted(labels.items())),
        help="Orders",
        start=start,
        is_delta=is_delta,
        numbers={("", ()): number},
    )


def gauge(number: float) -> Point:
    return Point(family="queue", kind=Kind.GAUGE, merge=Merge.MAX, labels=(), numbers={("", ()): number})


def page(received: ReceivedMetrics, **options: Any) -> dict[tuple[str, str], float]:
    made = Page(BY_BASE, PageOptions(**options))
    made.add_readings(received.readings())
    return {
        (sample.name, ",".join(f"{name}={text}" for name, text in sorted(sample.labels.items()))): sample.value
        for family in made.families()
        for sample in family.samples
    }


def test_workers_are_summed_or_shown_one_by_one() -> None:
    received = ReceivedMetrics(BY_BASE)
    received.add(FIRST, [count(3, shop="a")])
    received.add(SECOND, [count(4, shop="a")])
    received.add(FIRST, [count(5, shop="a")])
    assert page(received) == {("orders_total", "service=api,shop=a"): 9}
    assert page(received, per_worker=True) == {
        ("orders_total", "service=api,shop=a,worker=0"): 5,
        ("orders_total", "service=api,shop=a,worker=1"): 4,
    }


def test_counts_of_workers_that_are_gone_stay_and_their_gauges_go() -> None:
    received = ReceivedMetrics(BY_BASE)
    received.add(FIRST, [count(3), gauge(7)])
    received.add(SECOND, [count(4), gauge(5)])
    received.keep({"api": [42]})
    assert page(received) == {("orders_total", "service=api"): 7, ("queue", "service=api"): 5}
    received.keep({"api": [42]})
    received.add(SECOND, [count(6)])
    assert page(received)["orders_total", "service=api"] == 9


def test_a_program_that_begins_anew_in_the_same_worker_adds_up() -> None:
    received = ReceivedMetrics(BY_BASE)
    received.add(FIRST, [count(10, start=1)])
    received.add(FIRST, [count(2, start=2)])
    assert page(received)["orders_total", "service=api"] == 12


def test_deltas_add_up() -> None:
    received = ReceivedMetrics(BY_BASE)
    for start in (1, 2, 3):
        received.add(FIRST, [count(2, start=start, is_delta=True)])
    assert page(received)["orders_total", "service=api"] == 6


def test_gauges_that_nobody_sends_any_more_go() -> None:
    clock = Clock()
    received = ReceivedMetrics(BY_BASE, clock=clock)
    received.add(Sender("shop", "", 0, "x"), [gauge(1), count(2)])
    clock.now = STALE_SECONDS + 1
    received.keep({})
    assert page(received) == {("orders_total", "service=shop"): 2}


def test_histograms() -> None:
    received = ReceivedMetrics(BY_BASE)
    numbers: Mapping[Any, float] = histogram_numbers((0.1, 1.0), (2, 1, 1), 3.5)
    point = Point(family="wait_seconds", kind=Kind.HISTOGRAM, merge=Merge.SUM, labels=(), numbers=numbers)
    received.add(FIRST, [point])
    received.add(SECOND, [point])
    assert page(received) == {
        ("wait_seconds_bucket", "le=0.1,service=api"): 4,
        ("wait_seconds_bucket", "le=1.0,service=api"): 6,
        ("wait_seconds_bucket", "le=+Inf,service=api"): 8,
        ("wait_seconds_count", "service=api"): 8,
        ("wait_seconds_sum", "service=api"): 7,
    }


def test_pywatt_s_own_families_are_left_to_pywatt() -> None:
    received = ReceivedMetrics(BY_BASE)
    received.add(FIRST, [count(3, family="pywatt_http_requests"), count(3, family="pywatt_new")])
    assert page(received) == {}


@given(st.lists(st.tuples(st.integers(1, 50), st.integers(0, 3), st.booleans()), max_size=200))
def test_their_number_is_bounded(sent: list[tuple[int, int, bool]]) -> None:
    received = ReceivedMetrics(BY_BASE, most=20)
    for user, start, leaves in sent:
        received.add(FIRST._replace(pid=user), [count(1, start=start, user=str(user))])
        if leaves:
            received.keep({"api": [1]})
    assert len(received.readings().numbers) <= 20
    seen = {(user, start) for user, start, _ in sent}
    assert received.refused or sum(each for each, _ in received.readings().numbers.values()) >= len(seen)
