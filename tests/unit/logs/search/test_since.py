from __future__ import annotations

from datetime import datetime, timedelta, timezone

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.logs.search.since import parse_since

NOW = datetime(2026, 3, 1, 12, 0, tzinfo=timezone(timedelta(hours=2)))


def ago(**span: float) -> int:
    return int((NOW - timedelta(**span)).timestamp() * 1000)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("10m", ago(minutes=10)),
        ("1h30m", ago(hours=1.5)),
        ("1.5h", ago(hours=1.5)),
        (" 2D ", ago(days=2)),
        ("1w", ago(weeks=1)),
        ("250ms", ago(milliseconds=250)),
        ("2026-03-01", ago(hours=12)),
        ("2026-03-01T11:30", ago(minutes=30)),
        ("2026-03-01 11:30:00", ago(minutes=30)),
        ("2026-03-01T10:00:00Z", ago()),
    ],
)
def test_spans_and_moments(text: str, expected: int) -> None:
    assert parse_since(text, NOW) == expected


@pytest.mark.parametrize("text", ["", "soon", "10", "10 parsecs", "-5m", "2026-13-01"])
def test_anything_else_is_told_with_the_forms_there_are(text: str) -> None:
    with pytest.raises(ValueError, match="10m, 2h or 1h30m, or a moment"):
        parse_since(text, NOW)


@given(st.integers(0, 10**6))
def test_a_span_is_subtracted(seconds: int) -> None:
    assert parse_since(f"{seconds}s", NOW) == ago(seconds=seconds)
