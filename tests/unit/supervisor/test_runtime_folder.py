from __future__ import annotations

from pathlib import Path

import pytest

from pywatt.control.runtime import belongs_to_us
from pywatt.errors import StartError
from pywatt.supervisor.sockets import RUNTIME_DIR, runtime_folder


def test_the_folder_for_sockets_is_made_with_its_parents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(RUNTIME_DIR, str(tmp_path / "a" / "b"))
    with runtime_folder() as folder:
        assert folder.parent == tmp_path / "a" / "b"
        assert belongs_to_us(folder.parent)


def test_a_folder_that_cannot_be_made_is_an_error_with_a_remedy(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv(RUNTIME_DIR, str(tmp_path / "file" / "b"))
    with pytest.raises(StartError, match="Not a directory") as raised, runtime_folder():
        pass
    assert RUNTIME_DIR in raised.value.hint
    assert not belongs_to_us(tmp_path / "file" / "b")
