from __future__ import annotations

import pytest
from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, Summary, generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as generate_openmetrics

from pywatt.metrics import families
from pywatt.metrics.page import Page
from pywatt.metrics.text_parser import read_page

AWKWARD = 'a\\b"c\nd,e="f"'


def samples(text: str) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    page = Page(families.BY_BASE)
    page.add_readings(read_page(text, "shop", "0", families.BY_BASE))
    return {
        (sample.name, tuple(sorted((name, value) for name, value in sample.labels.items() if name != "service"))): (
            sample.value
        )
        for family in page.families()
        for sample in family.samples
    }


@pytest.mark.parametrize("openmetrics", [False, True])
def test_what_prometheus_client_writes_is_read(openmetrics: bool) -> None:
    registry = CollectorRegistry()
    Counter("sold", "Sold", ["kind"], registry=registry).labels(AWKWARD).inc(3)
    Gauge("open", "Open", registry=registry).set(-1.5)
    histogram = Histogram("took_seconds", "Took", buckets=(0.5, 1), registry=registry)
    for seconds in (0.1, 0.7, 0.8, 3):
        histogram.observe(seconds)
    Summary("size", "Size", registry=registry).observe(4)
    text = (generate_openmetrics if openmetrics else generate_latest)(registry).decode()
    found = {name: value for name, value in samples(text).items() if not name[0].endswith("_created")}
    assert found == {
        ("sold_total", (("kind", AWKWARD),)): 3,
        ("open", ()): -1.5,
        ("took_seconds_bucket", (("le", "0.5"),)): 1,
        ("took_seconds_bucket", (("le", "1.0"),)): 3,
        ("took_seconds_bucket", (("le", "+Inf"),)): 4,
        ("took_seconds_count", ()): 4,
        ("took_seconds_sum", ()): 4.6,
        ("size_count", ()): 1,
        ("size_sum", ()): 4,
    }


def test_counters_of_pywatt_are_read_from_files_only() -> None:
    text = (
        "# TYPE kafka_hooks_retries_total counter\n"
        'kafka_hooks_retries_total{worker="0",topic="t"} 3\n'
        "# TYPE kafka_hooks_breaker_state gauge\n"
        'kafka_hooks_breaker_state{worker="0",topic="t",url="u"} 2\n'
    )
    assert samples(text) == {("kafka_hooks_breaker_state", (("topic", "t"), ("url", "u"))): 2}


def test_lines_that_cannot_be_read_are_left_out() -> None:
    text = 'ok 1 1700000000\nwrong\nworse{ 1\n{} 1\nodd NaNa\n# TYPE\n#\nold{a="1",} 2\n'
    assert samples(text) == {("ok", ()): 1, ("old", (("a", "1"),)): 2}
