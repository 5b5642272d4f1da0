"""Writes the table of metrics for the documentation (pure)."""

from __future__ import annotations

from collections.abc import Iterable

from pywatt.metrics.family import Family, Group


def reference(families: Iterable[Family]) -> str:
    """Return the metrics as Markdown: a heading and a table for each group."""
    listed = list(families)
    parts: list[str] = []
    for group in Group:
        rows = [_row(family) for family in listed if family.group is group]
        if rows:
            parts += [f"### {group.value}", "", "| metric | type | labels | |", "|---|---|---|---|", *rows, ""]
    return "\n".join(parts)


def _row(family: Family) -> str:
    labels = [*([family.service_label] if family.service_label else []), *family.labels]
    named = ", ".join(f"`{label}`" for label in labels)
    return f"| `{family.name}` | {family.kind.value} | {named} | {family.help} |"
