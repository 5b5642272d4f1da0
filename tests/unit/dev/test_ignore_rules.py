from __future__ import annotations

from pathlib import Path

import pytest

from pywatt.dev.ignore_rules import IgnoreRules


def tree(root: Path, **files: str) -> None:
    """Write ignore files; `__` in a name stands for a slash, `_top` for the top."""
    for name, text in files.items():
        folder = root if name == "_top" else root / name.replace("__", "/")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / ".gitignore").write_text(text)


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    (tmp_path / ".git/info").mkdir(parents=True)
    return tmp_path


def rules(repository: Path, folder: str = "app/api") -> IgnoreRules:
    (repository / folder).mkdir(parents=True, exist_ok=True)
    return IgnoreRules(repository / folder, top=repository / "app", environ={})


def test_a_negation_takes_a_file_back_in(repository: Path) -> None:
    tree(repository, app="*.json\n!settings.json\n")
    found = rules(repository)
    assert found.ignores(repository / "app/api/data.json")
    assert not found.ignores(repository / "app/api/settings.json")


def test_nothing_takes_back_in_what_is_below_an_ignored_folder(repository: Path) -> None:
    tree(repository, app="build/\n", app__api="!build/keep.py\n")
    found = rules(repository)
    assert found.ignores(repository / "app/api/build/keep.py")
    assert found.ignores(repository / "app/api/build", folder=True)


def test_rules_above_the_app_apply_within_the_repository(repository: Path) -> None:
    tree(repository, _top="generated.py\n")
    tree(repository.parent, _top="*.py\n")
    found = rules(repository)
    assert found.ignores(repository / "app/api/generated.py")
    assert not found.ignores(repository / "app/api/app.py")


def test_a_deeper_file_wins(repository: Path) -> None:
    tree(repository, _top="*.sql\n", app__api="!*.sql\n", app__api__dumps="*\n")
    found = rules(repository)
    assert not found.ignores(repository / "app/api/schema.sql")
    assert found.ignores(repository / "app/api/dumps/monday.sql")


def test_the_repository_s_own_excludes_and_the_user_s_apply_last(repository: Path, tmp_path: Path) -> None:
    (repository / ".git/info/exclude").write_text("mine.py\n")
    (tmp_path / "config/git").mkdir(parents=True)
    (tmp_path / "config/git/ignore").write_text("*.swp.py\nmine.py\n")
    (repository / "api").mkdir()
    found = IgnoreRules(repository / "api", top=repository, environ={"XDG_CONFIG_HOME": str(tmp_path / "config")})
    assert found.ignores(repository / "api/mine.py")
    assert found.ignores(repository / "api/x.swp.py")
    assert not found.ignores(repository / "api/app.py")


def test_an_ignored_folder_that_is_a_service_counts_all_the_same(repository: Path) -> None:
    tree(repository, _top="external/\n")
    (repository / "external/api").mkdir(parents=True)
    tree(repository, external__api="*.tmp.py\n")
    found = IgnoreRules(repository / "external/api", top=repository, environ={})
    assert not found.ignores(repository / "external/api/app.py")
    assert found.ignores(repository / "external/api/x.tmp.py")


def test_without_a_repository_the_app_s_rules_apply(tmp_path: Path) -> None:
    tree(tmp_path, _top="*.log.py\n", api="/local.py\n")
    found = IgnoreRules(tmp_path / "api", top=tmp_path, environ={})
    assert found.ignores(tmp_path / "api/x.log.py")
    assert found.ignores(tmp_path / "api/local.py")
    assert not found.ignores(tmp_path / "api/deep/local.py")


def test_an_unreadable_ignore_file_ignores_nothing(tmp_path: Path) -> None:
    (tmp_path / ".gitignore").write_bytes(b"\xff\xfe*.py")
    assert not IgnoreRules(tmp_path, top=tmp_path, environ={}).ignores(tmp_path / "app.py")
