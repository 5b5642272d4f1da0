from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.cli.output.table import counted, duration, layout, megabytes


@pytest.mark.parametrize(
    ("seconds", "text"),
    [(0, "0s"), (59.9, "59s"), (60, "1m"), (61, "1m 1s"), (3600, "1h"), (93784, "1d 2h"), (86401, "1d 1s"), (-1, "0s")],
)
def test_durations(seconds: float, text: str) -> None:
    assert duration(seconds) == text


def test_sizes() -> None:
    assert megabytes(25 * 1024 * 1024 + 1) == "25 MB"


def test_columns_are_as_wide_as_they_need() -> None:
    assert layout(("A", "LONG"), [("xyz", "1"), ("", "22")], None) == ["A    LONG", "xyz  1", "     22"]


def test_colours_do_not_shift_columns() -> None:
    plain, coloured = (layout(("STATE", "N"), [("ready", "1")], colours)[1] for colours in (None, {"ready": "green"}))
    assert coloured == plain.replace("ready", "\x1b[32mready\x1b[0m")


def test_a_row_that_is_too_long_for_the_terminal_goes_on_below() -> None:
    headers = ("ID", "STATE", "URL")
    rows = [("api", "ready", "http://127.0.0.1:3042"), ("b", "ready", "-")]
    assert layout(headers, rows, None, 33) == layout(headers, rows, None) != layout(headers, rows, None, 32)
    assert layout(headers, rows, None, 32) == [
        "ID   STATE",
        "    URL",
        "api  ready",
        "    http://127.0.0.1:3042",
        "b    ready",
        "    -",
    ]


@given(st.lists(st.integers(0, 60), min_size=1, max_size=9), st.integers(10, 100))
def test_no_line_of_a_table_is_longer_than_the_terminal(widths: list[int], columns: int) -> None:
    headers = ["h" * width for width in widths]
    lines = layout(headers, [headers], None, columns)
    assert "".join(lines).count("h") == 2 * sum(widths)
    for line in lines:
        assert len(line) <= columns or len(line.split()) == 1


def test_things_are_counted() -> None:
    assert [counted(count, "service") for count in (0, 1, 2)] == ["0 services", "1 service", "2 services"]
