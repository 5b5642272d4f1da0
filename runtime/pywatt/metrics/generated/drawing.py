"""Makes a Grafana dashboard and alert rules of the table of metrics (pure)."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from pywatt.metrics.family import Family, Group, Kind, Merge

WIDTH, HEIGHT = 8, 7
"""Size of a panel; a dashboard is 24 wide."""
COLUMNS = 24 // WIDTH
_UNITS = {"seconds": "s", "bytes": "bytes"}
_SOURCE = {"type": "prometheus", "uid": "${source}"}
_NOT_DRAWN = frozenset({"pywatt_app_info", "pywatt_app_start_time_seconds"})


def dashboard(families: Iterable[Family]) -> dict[str, Any]:
    """Return a dashboard with a row for each part of pywatt and a panel for each metric."""
    drawn = [family for family in families if family.name not in _NOT_DRAWN]
    panels: list[dict[str, Any]] = []
    top = 0
    for group in Group:
        members = [family for family in drawn if family.group is group]
        if not members:
            continue
        place = {"h": 1, "w": 24, "x": 0, "y": top}
        panels.append({"type": "row", "title": group.value, "id": len(panels) + 1, "gridPos": place, "panels": []})
        top += 1
        for number, family in enumerate(members):
            row, column = divmod(number, COLUMNS)
            place = {"h": HEIGHT, "w": WIDTH, "x": column * WIDTH, "y": top + row * HEIGHT}
            panels.append(_panel(family, len(panels) + 1, place))
        top += -(-len(members) // COLUMNS) * HEIGHT
    source = {"name": "source", "label": "Data source", "type": "datasource", "query": "prometheus"}
    return {
        "title": "pywatt",
        "uid": "pywatt",
        "schemaVersion": 39,
        "editable": True,
        "refresh": "30s",
        "time": {"from": "now-1h", "to": "now"},
        "tags": ["pywatt"],
        "templating": {"list": [source]},
        "panels": panels,
    }


def _panel(family: Family, number: int, place: dict[str, int]) -> dict[str, Any]:
    per_second = family.kind is Kind.COUNTER
    unit = _UNITS.get(family.unit, "short")
    if per_second:
        unit = "percentunit" if family.unit == "seconds" else "ops"
    return {
        "id": number,
        "type": "timeseries",
        "title": family.base.removeprefix("pywatt_").replace("_", " "),
        "description": family.help,
        "gridPos": place,
        "datasource": _SOURCE,
        "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
        "targets": [
            {"refId": chr(ord("A") + index), "datasource": _SOURCE, "expr": expression, "legendFormat": legend}
            for index, (expression, legend) in enumerate(queries(family))
        ],
    }


def queries(family: Family) -> list[tuple[str, str]]:
    """Return the expressions that draw a metric, each with its legend."""
    labels = [*([family.service_label] if family.service_label else []), *family.labels]
    by = f" by ({', '.join(labels)})" if labels else ""
    legend = " ".join(f"{{{{{label}}}}}" for label in labels) or family.base
    if family.kind is Kind.HISTOGRAM:
        inner = f"sum by ({', '.join([*labels, 'le'])}) (rate({family.name}_bucket[$__rate_interval]))"
        return [(f"histogram_quantile({share}, {inner})", f"p{share * 100:g} {legend}") for share in (0.5, 0.95, 0.99)]
    if family.kind is Kind.COUNTER:
        return [(f"sum{by} (rate({family.name}[$__rate_interval]))", legend)]
    join = "max" if family.merge is Merge.MAX else "sum"
    return [(f"{join}{by} ({family.name})", legend)]


def alerts(families: Iterable[Family]) -> str:
    """Return the rules of Prometheus as YAML; JSON strings are strings of YAML."""
    lines = ["groups:", "  - name: pywatt", "    rules:"]
    for family in families:
        for alert in family.alerts:
            lines += [
                f"      - alert: {alert.name}",
                f"        expr: {json.dumps(alert.expression.replace('$NAME', family.name))}",
                f"        for: {alert.lasting}",
                "        labels:",
                f"          severity: {alert.severity}",
                "        annotations:",
                f"          summary: {json.dumps(alert.summary)}",
                f"          description: {json.dumps(family.help)}",
            ]
    return "\n".join([*lines, ""])
