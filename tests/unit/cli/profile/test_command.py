from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from pywatt.cli.profile.command import split_kind
from pywatt.errors import ControlError, NotKnown, PywattError
from pywatt.profiling.output_file import ProfileForm, form_of
from pywatt.profiling.target import chosen, python_process


def service(*workers: tuple[int, int | None, str]) -> dict[str, Any]:
    return {"id": "api", "workers": [{"slot": slot, "pid": pid, "state": state} for slot, pid, state in workers]}


def test_the_first_ready_worker_is_profiled_or_the_named_one() -> None:
    row = service((0, 10, "starting"), (1, 11, "ready"), (2, 12, "ready"), (3, None, "exited"))
    assert chosen(row, None)["pid"] == 11
    assert chosen(row, 0)["pid"] == 10
    assert chosen(service((0, 10, "starting")), None)["pid"] == 10
    with pytest.raises(NotKnown, match="has no worker 3") as caught:
        chosen(row, 3)
    assert caught.value.hint == "its workers: 0, 1, 2"
    with pytest.raises(ControlError, match='no worker of the service "api" runs'):
        chosen(service((0, None, "exited")), None)


@pytest.mark.parametrize(
    ("words", "named", "kind"),
    [
        ("api", "api", "cpu"),
        ("api memory", "api", "memory"),
        ("shop api cpu", "shop api", "cpu"),
        ("memory", "memory", "cpu"),
    ],
)
def test_the_kind_is_the_last_of_several_words(words: str, named: str, kind: str) -> None:
    assert split_kind(words.split()) == (named.split(), kind)


def test_a_python_is_found() -> None:
    assert python_process(os.getpid()) == os.getpid()
    assert python_process(2**22 + 1) == 2**22 + 1


@pytest.mark.parametrize(
    ("name", "form"),
    [
        ("a.svg", ProfileForm.FLAME_GRAPH),
        ("a.speedscope.json", ProfileForm.SPEEDSCOPE),
        ("a.txt", ProfileForm.FOLDED),
        ("a.folded", ProfileForm.FOLDED),
    ],
)
def test_the_name_of_the_file_tells_its_form(name: str, form: ProfileForm, tmp_path: Path) -> None:
    assert form_of(tmp_path / name) is form


@pytest.mark.parametrize(
    ("name", "told"), [("a.pdf", "does not tell"), ("a", "does not tell"), ("x/a.svg", "no folder")]
)
def test_a_file_that_cannot_be_written_is_told_before_the_recording(name: str, told: str, tmp_path: Path) -> None:
    with pytest.raises(PywattError, match=told):
        form_of(tmp_path / name)
