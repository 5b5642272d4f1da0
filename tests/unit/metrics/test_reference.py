"""The documentation, the dashboard and the alert rules are those of the present table of metrics."""

from __future__ import annotations

import json
import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import yaml

from pywatt.metrics.families import BY_BASE, FAMILIES
from pywatt.metrics.family import Family, Kind
from pywatt.metrics.generated.drawing import dashboard, queries

EXAMPLE = Path(__file__).parents[3] / "examples/observability"
_WORD = re.compile(r"\b(?:pywatt|kafka)_\w+")


def known(name: str) -> bool:
    """Tell whether a family has samples of that name."""
    for suffix in ("", "_total", "_bucket", "_sum", "_count"):
        family = BY_BASE.get(name.removesuffix(suffix))
        if family is not None and name == (family.name if family.kind is not Kind.HISTOGRAM else family.name + suffix):
            return True
    return False


def test_the_generated_files_are_current() -> None:
    generated: dict[Path, str] = runpy.run_path(str(EXAMPLE / "generate.py"))["generated"]()
    stale = [path.name for path, text in generated.items() if path.read_text() != text]
    assert stale == [], "run: python examples/observability/generate.py"


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_queries_and_rules_name_what_exists(family: Family) -> None:
    rules = [alert.expression.replace("$NAME", family.name) for alert in family.alerts]
    for expression in [*(query for query, _ in queries(family)), *rules]:
        assert [name for name in _WORD.findall(expression) if not known(name)] == []


def test_the_rules_are_yaml() -> None:
    document = yaml.safe_load((EXAMPLE / "alerts.yml").read_text())
    names = [rule["alert"] for rule in document["groups"][0]["rules"]]
    assert names == [alert.name for family in FAMILIES for alert in family.alerts]
    assert len(set(names)) == len(names)


def test_each_metric_has_a_panel_and_no_panel_covers_another() -> None:
    drawn: dict[str, Any] = dashboard(FAMILIES)
    panels = [panel for panel in drawn["panels"] if panel["type"] != "row"]
    text = json.dumps(panels)
    hidden = {"pywatt_app_info", "pywatt_app_start_time_seconds"}
    assert [family.name for family in FAMILIES if family.name not in text] == sorted(hidden)
    cells = [
        (x, y)
        for panel in drawn["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(set(cells)) == len(cells)
    assert max(x for x, _ in cells) < 24
    assert len({panel["id"] for panel in drawn["panels"]}) == len(drawn["panels"])
