from __future__ import annotations

from pathlib import Path

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import RuntimeConfig, ServiceConfig, WatchConfig
from pywatt.dev.watch_rules import Affected, WatchRules


@pytest.fixture
def watch_rules(tmp_path: Path) -> WatchRules:
    (tmp_path / ".gitignore").write_text("*.generated.py\n")
    services = [
        ServiceConfig(restart=RESTART, id="api", path=tmp_path / "api", type="python"),
        ServiceConfig(restart=RESTART, id="inner", path=tmp_path / "api/inner", type="python"),
        ServiceConfig(
            restart=RESTART,
            id="site",
            path=tmp_path / "site",
            type="command",
            watch=WatchConfig(allow=("*.md",), ignore=("drafts/",)),
        ),
        ServiceConfig(
            restart=RESTART, id="still", path=tmp_path / "still", type="python", watch=WatchConfig(enabled=False)
        ),
    ]
    for service in services:
        service.path.mkdir()
    return WatchRules(
        RuntimeConfig(name="x", root=tmp_path, file=tmp_path / "watt.json", services=tuple(services), entrypoint="api"),
        {},
    )


@pytest.mark.parametrize(
    ("changed", "service"),
    [
        ("api/app.py", "api"),
        ("api/templates/page.html", "api"),
        ("api/inner/app.py", "inner"),
        ("site/page.md", "site"),
        ("api/data.sqlite", None),
        ("api/__pycache__/app.pyc", None),
        ("api/.venv/lib/x.py", None),
        ("api/model.generated.py", None),
        ("site/app.py", None),
        ("site/drafts/page.md", None),
        ("still/app.py", None),
        ("elsewhere.py", None),
    ],
)
def test_a_file_concerns_the_service_whose_code_it_is(
    watch_rules: WatchRules, tmp_path: Path, changed: str, service: str | None
) -> None:
    assert watch_rules.affected([tmp_path / changed]).services == ({service} if service else set())


@pytest.mark.parametrize("changed", ["watt.json", ".env", "api/.env"])
def test_config_and_variables_are_read_again(watch_rules: WatchRules, tmp_path: Path, changed: str) -> None:
    assert watch_rules.affected([tmp_path / changed]) == Affected(config=True)


def test_changes_of_one_save_are_taken_together(watch_rules: WatchRules, tmp_path: Path) -> None:
    changed = [tmp_path / "api/a.py", tmp_path / "api/b.py", tmp_path / "site/x.md"]
    assert watch_rules.affected(changed) == Affected(frozenset({"api", "site"}))


def test_files_of_variables_count_wherever_they_are(tmp_path: Path) -> None:
    file = tmp_path / "elsewhere" / "shared.env"
    config = RuntimeConfig(
        name="x",
        root=tmp_path / "app",
        file=tmp_path / "app" / "watt.json",
        services=(),
        entrypoint=None,
        env_files=(file,),
    )
    watch_rules = WatchRules(config, {})
    assert file.parent in watch_rules.config_folders
    assert watch_rules.affected([file]) == Affected(config=True)
    assert not watch_rules.affected([file.with_name("other.env")])
