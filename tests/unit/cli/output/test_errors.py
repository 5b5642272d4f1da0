"""Errors as text for a terminal."""

from __future__ import annotations

from pathlib import Path

from pywatt.cli.output.errors import render
from pywatt.cli.output.tracebacks import shorten_tracebacks
from pywatt.errors import ConfigError, MissingExtra, Problem, ServiceFailed

CWD = Path("/app")
HINT = "set it in the environment"


def test_problems_by_file_and_line_with_shared_hints_once() -> None:
    error = ConfigError(
        [
            Problem(message="the variable B is not set", file="/app/watt.json", line=12, key="b", hint=HINT),
            Problem(message="unknown key", file="/app/web/api/watt.json", line=2, key="c", hint='did you mean "d"?'),
            Problem(message="the variable A is not set", file="/app/watt.json", line=3, key="a.x", hint=HINT),
            Problem(message="elsewhere", file="/etc/watt.json"),
        ]
    )
    assert render(error, cwd=CWD) == (
        "error: 4 problems in the configuration\n"
        "  watt.json:3 a.x: the variable A is not set\n"
        "  watt.json:12 b: the variable B is not set\n"
        "    fix: set it in the environment\n"
        "  web/api/watt.json:2 c: unknown key\n"
        '    fix: did you mean "d"?\n'
        "  /etc/watt.json: elsewhere"
    )


def test_one_problem_without_a_place() -> None:
    assert render(ConfigError([Problem(message="nothing here")]), cwd=CWD) == (
        "error: 1 problem in the configuration\n  nothing here"
    )


def test_many_problems_fit_on_one_screen() -> None:
    problems = [Problem(message="bad", file="/app/watt.json", line=n, hint=f"fix {n}") for n in range(1, 51)]
    lines = render(ConfigError(problems), cwd=CWD).splitlines()
    assert len(lines) <= 24
    assert lines[-1] == "  and 42 more"


def test_failed_service_shows_the_end_of_its_output() -> None:
    error = ServiceFailed("api", "ended with status 1", output=[f"line {n}" for n in range(30)], hint="read its output")
    lines = render(error, cwd=CWD).splitlines()
    assert lines[0] == "error: api: ended with status 1"
    assert lines[1] == "  output of api (its last 20 of 30 lines):"
    assert lines[2] == "  | line 10"
    assert lines[-1] == "fix: read its output"
    assert len(lines) <= 24


def test_a_long_traceback_is_shown_by_its_outermost_and_innermost_frames() -> None:
    frames = [text for n in range(9) for text in (f'  File "m{n}.py", line {n}, in f', f"    call{n}()", "    ~~~~^^")]
    begin, end = "Traceback (most recent call last):", "OperationalError: unable to open database file"
    error = ServiceFailed("api", "beforeStart: exit status 1", output=["migrating", begin, *frames, end, "bye"])
    assert render(error, cwd=CWD).splitlines()[1:] == [
        "  output of api:",
        *(f"  | {line}" for line in ("migrating", begin, *frames[:3], "  ... 6 more frames", *frames[-6:], end, "bye")),
    ]


def test_a_short_traceback_is_shown_whole() -> None:
    lines = ["Traceback (most recent call last):", *[f'  File "m{n}.py", line {n}, in f' for n in range(4)], "E: x"]
    assert shorten_tracebacks(lines) == lines
    assert shorten_tracebacks(["Traceback (most recent call last):"]) == ["Traceback (most recent call last):"]


def test_other_errors() -> None:
    error = MissingExtra("aiokafka", "kafka", needed_by="kafka-hooks")
    assert render(error, cwd=CWD) == "error: kafka-hooks needs the package aiokafka\nfix: pip install 'pywatt[kafka]'"


def test_colour_only_when_asked() -> None:
    error = ConfigError([Problem(message="unknown key", file="/app/watt.json", key="a", hint="b")])
    assert "\x1b[" not in render(error, cwd=CWD)
    assert "\x1b[31;1merror:\x1b[0m" in render(error, colour=True, cwd=CWD)
