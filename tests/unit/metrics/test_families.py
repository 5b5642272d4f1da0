from __future__ import annotations

import re

import pytest

from pywatt.metrics.families import BY_BASE, FAMILIES
from pywatt.metrics.family import Family, Kind


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_names_follow_the_conventions_of_prometheus(family: Family) -> None:
    assert re.fullmatch(r"[a-z][a-z0-9_]*", family.name)
    assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
    assert family.base.endswith(f"_{family.unit}" if family.unit else "")
    assert bool(family.buckets) == (family.kind is Kind.HISTOGRAM)
    assert list(family.buckets) == sorted(set(family.buckets))
    assert family.help
    assert not family.help.endswith(".")
    assert not {"le", "service", "worker", "pid", "quantile"} & set(family.labels)


def test_names_are_unique() -> None:
    assert len(BY_BASE) == len(FAMILIES)
