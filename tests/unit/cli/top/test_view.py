from __future__ import annotations

from typing import Any

import pytest

from pywatt.cli.top.figures import Figures
from pywatt.cli.top.view import cells_of, detail_lines, error_line, in_order, number, percent, seconds, table_lines

BUSY: dict[str, Any] = {
    "state": "crash-loop",
    "ready": 10,
    "workers": 12,
    "requests": 123456.0,
    "errors": 1.0,
    "latency": 0.999,
    "lag": 99999.0,
    "memory": 999 * 1024**2,
    "cpu": 11.5,
    "restarts": 99999,
}


def service(name: str, **more: Any) -> Figures:
    quiet: dict[str, Any] = {"state": "ready", "ready": 1, "workers": 1, "restarts": 0, "entrypoint": False}
    unknown = dict.fromkeys(("requests", "errors", "latency", "lag", "memory", "cpu"))
    return Figures(**{**quiet, **unknown, "id": name, "detail": "", **more})


def test_what_is_not_known_is_a_dash() -> None:
    assert cells_of(service("api")) == ("api", "ready", "1/1", "-", "-", "-", "-", "-", "-", "0")
    assert cells_of(service("api", entrypoint=True, requests=0.0))[:4] == ("api *", "ready", "1/1", "0")


def test_a_busy_app_fits_into_80_columns() -> None:
    rows = [service("a-service-with-a-long-name", **BUSY), service("b", requests=0.25)]
    lines = table_lines(rows, colour=False, columns=80)
    assert max(map(len, lines)) <= 80
    assert lines[1].startswith("a-ser…  crash-loop  10/12  123k")
    assert table_lines(rows, colour=False)[1].startswith("a-service-with-a-long-name  crash-loop")


def test_colours_are_those_of_states() -> None:
    assert "\x1b[31mcrash-loop\x1b[0m" in table_lines([service("a", **BUSY)], colour=True, columns=80)[1]


@pytest.mark.parametrize(
    ("order", "ids"),
    [("app", "bac"), ("id", "abc"), ("requests", "cab"), ("restarts", "bac"), ("state", "bac")],
)
def test_orders(order: str, ids: str) -> None:
    rows = [service("b", restarts=2), service("a", requests=1.0), service("c", requests=9.0)]
    assert "".join(row.id for row in in_order(rows, order)) == ids


@pytest.mark.parametrize(
    ("value", "text"), [(0, "0"), (0.44, "0.4"), (9.96, "10.0"), (1234, "1234"), (12345, "12.3k"), (2.5e6, "2.5M")]
)
def test_numbers(value: float, text: str) -> None:
    assert number(value) == text


def test_shares_and_durations() -> None:
    assert [percent(value) for value in (0, 0.004, 0.25, 1)] == ["0%", "0.4%", "25%", "100%"]
    assert [seconds(value) for value in (0.0008, 0.012, 1.25)] == ["0.8ms", "12ms", "1.2s"]


def test_an_error_is_one_line_without_control_characters() -> None:
    shown = error_line({"time": 0, "name": "api", "msg": "broken\x1b[2J\nmore"})
    assert shown.endswith(" api: broken\\x1b[2J")
    trace = "Traceback (most recent call last):\n  File 'x'\nKeyError: 'a'\n"
    assert error_line({"time": 0, "name": "api", "msg": trace}).endswith(" api: KeyError: 'a'")


def test_reasons_of_bad_states() -> None:
    assert detail_lines([service("a"), service("b", detail="exit status 1")]) == ["b: exit status 1"]
