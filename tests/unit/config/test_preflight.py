"""Checks beyond the config files, which `pywatt validate` makes and a start does not."""

from __future__ import annotations

from typing import Any

from pywatt_services.command import TYPE as COMMAND
from pywatt_services.python import TYPE as PYTHON

TYPES = {"command": COMMAND, "python": PYTHON}


def files(**root: Any) -> dict[str, Any]:
    web = [{"id": "api", "path": "api", **root}, {"id": "job", "path": "job", **root}]
    return {
        "watt.json": {"web": web},
        "api/watt.json": {"type": "python", "python": {"module": "main:app"}},
        "job/watt.json": '{\n "type": "command",\n "command": {\n  "run": "nothing-of-that-name"}}',
    }


def test_missing_modules_and_programs_are_problems_of_their_files(app: Any) -> None:
    problems = app.problems(files(), {"PATH": "/bin"}, types=TYPES, preflight=True)
    assert [(problem.file, problem.key, problem.line, problem.message) for problem in problems] == [
        ("api/watt.json", "python.module", 4, "service api: there is no module 'main' in api or on its import path"),
        (
            "job/watt.json",
            "command",
            3,
            "service job: there is no program 'nothing-of-that-name' in the folders of PATH (/bin)",
        ),
    ]


def test_a_start_does_not_check_them(app: Any) -> None:
    assert len(app.load(files(), types=TYPES).services) == 2


def test_commands_that_run_before_may_make_what_is_missing(app: Any) -> None:
    assert app.load(files(beforeStart=["make"]), types=TYPES, preflight=True)
