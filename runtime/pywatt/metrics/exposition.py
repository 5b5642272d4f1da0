"""Writes pages of metrics in the formats of Prometheus: text 0.0.4 and OpenMetrics 1.0 (pure)."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Mapping

from pywatt.metrics.family import Kind
from pywatt.metrics.page import PageFamily, Sample, number_text

_OPENMETRICS = "application/openmetrics-text"


class Format(enum.Enum):
    """A text format, with its content type."""

    TEXT = "text/plain; version=0.0.4; charset=utf-8"
    OPENMETRICS = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def accepted_format(accept: str) -> Format:
    """Return the format for an `Accept` header: OpenMetrics only for those that name it."""
    for part in accept.split(","):
        media_type, *parameters = (word.strip() for word in part.lower().split(";"))
        if media_type == _OPENMETRICS and "q=0" not in parameters:
            return Format.OPENMETRICS
    return Format.TEXT


def write_page(families: Iterable[PageFamily], form: Format = Format.TEXT) -> str:
    """Return the text of a page: one HELP and one TYPE for each family."""
    lines: list[str] = []
    for family in families:
        name = family.base if form is Format.OPENMETRICS else family.name
        kind = family.kind.value
        if form is Format.TEXT and family.kind is Kind.UNKNOWN:
            kind = "untyped"
        lines.append(f"# HELP {name} {_help(family.help, form)}")
        lines.append(f"# TYPE {name} {kind}")
        if form is Format.OPENMETRICS and family.unit and name.endswith(f"_{family.unit}"):
            lines.append(f"# UNIT {name} {family.unit}")
        lines += map(_line, family.samples)
    if form is Format.OPENMETRICS:
        lines.append("# EOF")
    return "\n".join([*lines, ""])


def _line(sample: Sample) -> str:
    return f"{sample.name}{_labels(sample.labels)} {number_text(sample.value)}"


def _labels(labels: Mapping[str, str]) -> str:
    if not labels:
        return ""
    return "{" + ",".join(f'{name}="{_value(text)}"' for name, text in labels.items()) + "}"


def _value(text: str) -> str:
    return text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")


def _help(text: str, form: Format) -> str:
    escaped = text.replace("\\", "\\\\").replace("\n", "\\n")
    return escaped.replace('"', '\\"') if form is Format.OPENMETRICS else escaped
