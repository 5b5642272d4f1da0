from __future__ import annotations

import pytest

from pywatt.cli.table import duration, layout, megabytes


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
