from __future__ import annotations

import os
from pathlib import Path

import pytest

from pywatt.config.logger_model import Rotation
from pywatt.logs.transports.rotating_file import RotatingFile


def lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


def test_full_file_is_set_aside_and_the_oldest_goes(tmp_path: Path) -> None:
    path = tmp_path / "logs" / "app.log"
    file = RotatingFile(path, Rotation(max_size=30, max_files=3), make_folder=True)
    for number in range(9):
        file.write(b"line%d\n" % number)
    file.close()
    assert lines(path) == ["line8"]
    assert lines(path.with_name("app.log.1")) == ["line6", "line7"]
    assert sorted(os.listdir(path.parent)) == ["app.log", "app.log.1", "app.log.2"]


def test_no_line_is_torn_and_none_is_lost_between_files(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    file = RotatingFile(path, Rotation(max_size=4000, max_files=40))
    for batch in range(20):
        file.write(b"".join(b"%04d\n" % (batch * 10 + number) for number in range(10)))
    file.close()
    files = sorted(tmp_path.iterdir(), key=lambda each: -int(each.suffix[1:]) if each.suffix != ".log" else 1)
    assert [int(line) for each in files for line in lines(each)] == list(range(200))
    assert max(each.stat().st_size for each in files) <= 100


def test_file_is_set_aside_with_the_hour(tmp_path: Path) -> None:
    path, now = tmp_path / "app.log", [3600.0 * 10]
    file = RotatingFile(path, Rotation(max_size=0, interval=3600.0), clock=lambda: now[0])
    file.write(b"a\n")
    now[0] += 3599
    file.write(b"b\n")
    now[0] += 1
    file.write(b"c\n")
    assert (lines(path), lines(path.with_name("app.log.1"))) == (["c"], ["a", "b"])
    # One that an earlier run has left is old, too.
    file.close()
    os.utime(path, (now[0], now[0]))
    now[0] += 3600
    later = RotatingFile(path, Rotation(max_size=0, interval=3600.0), clock=lambda: now[0])
    later.write(b"d\n")
    later.close()
    assert (lines(path), lines(path.with_name("app.log.1"))) == (["d"], ["c"])


def test_file_that_another_program_moves_away_is_begun_anew(tmp_path: Path) -> None:
    path = tmp_path / "app.log"
    file = RotatingFile(path, None)
    file.write(b"a\n")
    path.rename(tmp_path / "moved")
    file.write(b"b\n")
    file.close()
    assert (lines(path), lines(tmp_path / "moved")) == (["b"], ["a"])


@pytest.mark.parametrize(("append", "found"), [(True, ["old", "new"]), (False, ["new"])])
def test_file_is_appended_to_or_begun(tmp_path: Path, append: bool, found: list[str]) -> None:
    path = tmp_path / "app.log"
    path.write_text("old\n")
    file = RotatingFile(path, None, append=append)
    file.write(b"new\n")
    file.close()
    assert lines(path) == found


def test_folder_is_made_on_demand_alone(tmp_path: Path) -> None:
    file = RotatingFile(tmp_path / "no" / "app.log", None)
    with pytest.raises(FileNotFoundError):
        file.write(b"a\n")
