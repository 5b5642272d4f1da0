from __future__ import annotations

import os
import shutil
from pathlib import Path

import pytest
from harness.restart_config import RESTART

from pywatt.config.model import AutoloadConfig, RuntimeConfig, ServiceConfig, WatchConfig
from pywatt.dev.file_scan import Snapshot, changed_files, scan
from pywatt.dev.watch_rules import WatchRules


def watch_rules(root: Path, *services: ServiceConfig, autoload: AutoloadConfig | None = None) -> WatchRules:
    config = RuntimeConfig(
        name="x", root=root, file=root / "watt.json", services=services, entrypoint=None, autoload=autoload
    )
    return WatchRules(config, {})


def api(root: Path, *ignore: str) -> ServiceConfig:
    return ServiceConfig(restart=RESTART, id="api", path=root / "api", type="python", watch=WatchConfig(ignore=ignore))


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(name)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write(tmp_path, "watt.json", "api/app.py", "api/deep/er/module.py", "api/node_modules/x/index.js")
    write(tmp_path, "api/drafts/page.py", "api/.venv/lib/x.py", "other/x.py")
    return tmp_path


def test_ignored_folders_are_not_entered(root: Path) -> None:
    write(root, ".gitignore", "api/build/out.py")
    (root / ".gitignore").write_text("build/\n")
    found = scan(watch_rules(root, api(root, "drafts/")))
    assert {path.name for path in found.files} == {"watt.json", "app.py", "module.py"}
    below = {path.relative_to(root).as_posix() for path in found.folders if path.is_relative_to(root)}
    assert below == {".", "api", "api/deep", "api/deep/er"}


def test_the_folders_above_are_watched_because_they_may_be_replaced(root: Path) -> None:
    found = scan(watch_rules(root, api(root)))
    assert set(root.parents) < set(found.folders)


def test_a_replaced_folder_is_a_change_of_its_files(root: Path) -> None:
    watched = watch_rules(root, api(root))
    before = scan(watched)
    shutil.copytree(root / "api", root / "copy")
    (root / "api").rename(root / "old")
    gone = scan(watched)
    assert changed_files(before, gone) == {path for path in before.files if path.is_relative_to(root / "api")}
    (root / "copy").rename(root / "api")
    back = scan(watched)
    assert changed_files(before, back) == changed_files(before, gone)
    assert back.folders != before.folders


def test_a_new_folder_under_autoload_is_a_change_and_so_is_what_is_put_into_it(root: Path) -> None:
    write(root, "services/first/app.py")
    loaded = ServiceConfig(restart=RESTART, id="first", path=root / "services/first", type="python")
    watched = watch_rules(root, loaded, autoload=AutoloadConfig(path=root / "services", exclude=frozenset({"data"})))
    before = scan(watched)
    for name in ("second", "data", ".cache", "__pycache__"):
        (root / "services" / name).mkdir()
    now = scan(watched)
    assert changed_files(before, now) == {root / "services/second"}
    write(root, "services/second/app.py", "services/data/rows.json")
    assert changed_files(now, scan(watched)) == {root / "services/second/app.py"}
    assert watched.affected([root / "services/second/app.py"]).config


def test_links_are_followed_but_not_in_circles(root: Path) -> None:
    (root / "api/linked").symlink_to(root / "other")
    (root / "api/round").symlink_to(root / "api")
    found = scan(watch_rules(root, api(root)))
    assert root / "api/linked/x.py" in found.files
    assert len(found.files) < 20


def test_a_known_file_needs_no_second_question(root: Path) -> None:
    watched = watch_rules(root, api(root))
    before = scan(watched)
    assert scan(watched, before.files) == before


def test_with_other_files_in_view_only_what_was_saved_since_is_a_change(root: Path) -> None:
    old, new = root / "api/old.py", root / "api/new.py"
    write(root, "api/old.py", "api/new.py")
    os.utime(old, ns=(1_000, 1_000))
    os.utime(new, ns=(3_000, 3_000))
    now = Snapshot({path: (path.stat().st_mtime_ns, 1, 1) for path in (old, new)}, {})
    assert changed_files(Snapshot({}, {}), now, 2_000) == {new}
    assert changed_files(Snapshot({}, {}), now) == {old, new}
