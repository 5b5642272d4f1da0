"""All files are written, or none."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pywatt.errors import CreateRefused
from pywatt.scaffold.file_changes import Mode, PlannedFile, compare_files, write

NOBODY = 65534


def never(_path: Path) -> bool:
    return False


def always(_path: Path) -> bool:
    return True


def tree(folder: Path) -> dict[str, bytes | None]:
    return {str(path.relative_to(folder)): path.read_bytes() if path.is_file() else None for path in folder.rglob("*")}


def test_new_files_and_their_folders_are_made(tmp_path: Path) -> None:
    files = [
        PlannedFile(path=tmp_path / "a" / "b" / "c", content="é\r\n"),
        PlannedFile(path=tmp_path / "d", content=""),
    ]
    changes = compare_files(files, never)
    assert changes.created == tuple(files)
    write(changes.created)
    assert tree(tmp_path) == {"a": None, "a/b": None, "a/b/c": "é\r\n".encode(), "d": b""}
    assert compare_files(files, never).created == compare_files(files, never).kept == ()


@pytest.mark.parametrize(
    ("mode", "overwrite", "is_changed"),
    [
        (Mode.NEW, never, False),
        (Mode.NEW, always, True),
        (Mode.CHANGED, never, True),
        (Mode.OURS, never, True),
    ],
)
def test_what_is_there_already(tmp_path: Path, mode: Mode, overwrite: Callable[[Path], bool], is_changed: bool) -> None:
    (tmp_path / "a").write_text("old")
    file = PlannedFile(path=tmp_path / "a", content="new", mode=mode)
    changes = compare_files([file], overwrite)
    assert changes.created == ()
    assert changes.changed == ((file,) if is_changed else ())
    assert changes.kept == (() if is_changed else (file,))


def test_a_failure_in_the_middle_undoes_the_rest(tmp_path: Path) -> None:
    (tmp_path / "there").write_text("old")
    (tmp_path / "folder").mkdir()
    before = tree(tmp_path)
    files = [
        PlannedFile(path=tmp_path / "there", content="new"),
        PlannedFile(path=tmp_path / "x" / "y" / "z", content="new"),
        PlannedFile(path=tmp_path / "folder", content="cannot be"),
        PlannedFile(path=tmp_path / "never", content="new"),
    ]
    with pytest.raises(CreateRefused, match=r"cannot write .*folder: Is a directory") as raised:
        write(files)
    assert raised.value.hint == "nothing was written"
    assert tree(tmp_path) == before


@pytest.fixture
def nobody() -> Iterator[None]:
    """Run as an unprivileged user: root may write everywhere."""
    if os.geteuid():
        yield
        return
    os.seteuid(NOBODY)
    yield
    os.seteuid(0)


def test_a_folder_that_may_not_be_written_to(tmp_path: Path, request: pytest.FixtureRequest) -> None:
    (tmp_path / "locked").mkdir(mode=0o500)
    request.getfixturevalue("nobody")
    with pytest.raises(CreateRefused, match="Permission denied"):
        write([PlannedFile(path=tmp_path / "locked" / "a", content="")])


def test_a_folder_where_a_file_should_be(tmp_path: Path) -> None:
    with pytest.raises(CreateRefused, match="is a folder"):
        compare_files([PlannedFile(path=tmp_path, content="")], always)


def test_a_file_where_a_folder_should_be(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("")
    with pytest.raises(CreateRefused, match="is a file"):
        compare_files([PlannedFile(path=tmp_path / "a" / "b" / "c", content="")], always)


def test_a_link_that_leads_nowhere_is_no_new_file(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(tmp_path / "nowhere")
    with pytest.raises(CreateRefused, match="cannot write"):
        compare_files([PlannedFile(path=tmp_path / "link", content="")], never)
