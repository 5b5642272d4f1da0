"""The history of metrics: rates, quantiles, gaps, and limits."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pywatt.errors import ControlError
from pywatt_services.dashboard.metrics.history import MetricsHistory
from pywatt_services.dashboard.metrics.sampler import IDLE_SECONDS, MetricsSampler


def family(name: str, kind: str, *values: tuple[str, dict[str, str], Any]) -> dict[str, Any]:
    rows = [{"metricName": metric, "labels": labels, "value": value} for metric, labels, value in values]
    return {"name": name, "type": kind, "unit": "", "help": f"Help of {name}", "values": rows}


def values(history: MetricsHistory, after: float = 0) -> dict[str, list[float | None]]:
    return {
        f"{one['name']} {one['labels']}": one["values"]
        for each in history.document(after)["families"]
        for one in each["series"]
    }


def test_counters_are_rates_also_after_they_begin_anew() -> None:
    history = MetricsHistory()
    for at, count in ((10, 5), (12, 9), (14, 2)):
        history.add([family("orders_total", "counter", ("orders_total", {}, count))], at)
    assert values(history) == {"orders_total {}": [None, 2, 1]}
    assert history.document(12)["times"] == [14]
    assert values(history, 12) == {"orders_total {}": [1]}


def test_a_histogram_has_its_p95() -> None:
    history = MetricsHistory()
    for at, (low, high) in ((1, (0, 0)), (2, (100, 100)), (3, (100, 200))):
        rows = [("wait_bucket", {"le": "0.1"}, low), ("wait_bucket", {"le": "+Inf"}, high), ("wait_count", {}, high)]
        history.add([family("wait", "histogram", *rows)], at)
    found = values(history)
    assert found["wait_count {}"] == [None, 100, 100]
    first, second, third = found["wait p95 {}"]
    assert first is None
    assert second is not None
    assert round(second, 3) == 0.095
    assert third == 0.1


def test_gaps_and_numbers_that_json_lacks_have_no_value() -> None:
    history = MetricsHistory()
    history.add([family("load", "gauge", ("load", {"a": "1"}, "NaN"))], 1)
    history.add([family("load", "gauge", ("load", {"a": "2"}, 3))], 2)
    assert values(history) == {"load {'a': '1'}": [None, None], "load {'a': '2'}": [None, 3]}


LOOK = st.lists(st.tuples(st.sampled_from("abcdef"), st.floats(0, 9)), max_size=8)


@given(st.lists(LOOK, max_size=30))
def test_it_is_bounded_and_all_series_have_a_value_for_each_time(looks: list[list[tuple[str, float]]]) -> None:
    history = MetricsHistory(most_series=4, most_points=5)
    for at, look in enumerate(looks, 1):
        history.add([family("load", "gauge", *(("load", {"a": label}, value) for label, value in look))], at)
        document = history.document()
        assert len(document["times"]) == min(at, 5)
        found = values(history)
        assert len(found) <= 4
        assert all(len(each) == len(document["times"]) for each in found.values())


async def test_the_sampler_tells_why_a_look_has_failed() -> None:
    async def collect(_service: str | None) -> tuple[bool, list[dict[str, Any]]]:
        raise ControlError("too busy")

    sampler = MetricsSampler(collect, clock=lambda: IDLE_SECONDS)
    await sampler.look()
    assert sampler.document(0)["problem"] == "the metrics cannot be collected now: too busy"
    assert sampler.document(0)["times"] == []
