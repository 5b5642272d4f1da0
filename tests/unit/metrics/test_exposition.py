from __future__ import annotations

import math

import pytest
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text

from pywatt.metrics.exposition import Format, accepted_format, write_page
from pywatt.metrics.family import Kind
from pywatt.metrics.page import PageFamily, Sample, family_of

AWKWARD = 'a\\b"c\nd é'
PAGE = [
    PageFamily("sold_total", Kind.COUNTER, 'Sold "things"\\', "", [Sample("sold_total", {"kind": AWKWARD}, 2.0)]),
    PageFamily(
        "took_seconds",
        Kind.HISTOGRAM,
        "Took\nlong",
        "seconds",
        [
            Sample("took_seconds_bucket", {"le": "0.5"}, 1),
            Sample("took_seconds_bucket", {"le": "+Inf"}, 2),
            Sample("took_seconds_count", {}, 2),
            Sample("took_seconds_sum", {}, 0.1 + 0.2),
        ],
    ),
    PageFamily("odd", Kind.GAUGE, "", "", [Sample("odd", {}, math.nan), Sample("odd", {"x": ""}, -math.inf)]),
]


@pytest.mark.parametrize("form", Format)
def test_the_parsers_of_prometheus_client_read_what_was_written(form: Format) -> None:
    parse = parse_text if form is Format.TEXT else parse_openmetrics
    families = {family.name: family for family in parse(write_page(PAGE, form))}
    assert families["sold"].samples[0].labels == {"kind": AWKWARD}
    assert families["sold"].documentation == 'Sold "things"\\'
    assert families["took_seconds"].documentation == "Took\nlong"
    assert [sample.value for sample in families["took_seconds"].samples] == [1, 2, 2, 0.1 + 0.2]
    assert math.isnan(families["odd"].samples[0].value)
    assert families["odd"].samples[1].value == -math.inf


@pytest.mark.parametrize(
    ("accept", "form"),
    [
        ("", Format.TEXT),
        ("*/*", Format.TEXT),
        ("text/plain;version=0.0.4", Format.TEXT),
        ("application/openmetrics-text;version=1.0.0;q=0.5,text/plain;q=0.4", Format.OPENMETRICS),
        ("application/openmetrics-text;q=0, text/plain", Format.TEXT),
    ],
)
def test_the_format_is_the_accepted_one(accept: str, form: Format) -> None:
    assert accepted_format(accept) is form


def test_the_form_of_the_control_api_loses_nothing() -> None:
    assert write_page(map(family_of, [family.to_json() for family in PAGE])) == write_page(PAGE)
