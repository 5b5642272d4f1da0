"""A recording by a program in the place of py-spy: what becomes of Ctrl-C, of its file, of its failure."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pywatt.errors import ControlError
from pywatt.profiling.output_file import ProfileForm
from pywatt.profiling.py_spy import record

INTERRUPTED = """#!/bin/sh
kill -INT $PPID
while [ "$1" != --output ]; do shift; done
echo stack > "$2"
echo "Samples: 3 Errors: 0"
"""
FAILED = """#!/bin/sh
while [ "$1" != --output ]; do shift; done
echo half > "$2"
echo "Error: No stack counts found" >&2
exit 1
"""
NOT_BEGUN = """#!/bin/sh
kill -INT $$
"""


def run(folder: Path, script: str) -> int:
    program = folder / "py-spy"
    program.write_text(script)
    program.chmod(0o700)
    return record(str(program), os.getpid(), "worker 0", 600, ProfileForm.FLAME_GRAPH, folder / "a.svg", idle=False)


def test_ctrl_c_ends_a_recording_that_is_then_written(tmp_path: Path) -> None:
    assert run(tmp_path, INTERRUPTED) == 3
    assert (tmp_path / "a.svg").read_text() == "stack\n"


def test_a_recording_that_fails_leaves_the_file_as_it_was(tmp_path: Path) -> None:
    (tmp_path / "a.svg").write_text("earlier")
    with pytest.raises(ControlError, match="worker 0 did nothing in this time"):
        run(tmp_path, FAILED)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a.svg", "py-spy"]
    assert (tmp_path / "a.svg").read_text() == "earlier"


def test_ctrl_c_before_the_recording_ends_the_command(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, NOT_BEGUN)
