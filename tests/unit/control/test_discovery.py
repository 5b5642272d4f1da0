from __future__ import annotations

import json
import os
from collections.abc import Sequence
from pathlib import Path

import pytest

from pywatt.control import metadata as runtimes
from pywatt.control.discovery import choose, running
from pywatt.control.metadata import Runtime
from pywatt.errors import ControlError


def app(pid: int, name: str = "shop", root: str = "/apps/shop") -> Runtime:
    return Runtime(
        pid=pid, name=name, root=Path(root), url=None, version="1", started=pid, ticks=pid, argv=("pywatt", "start")
    )


SHOP, BILLING, SAME_NAME = app(11), app(12, "billing", "/apps/billing"), app(13)
INNER = app(14, "inner", "/apps/shop/inner")
OTHER_FOLDER = Path("/elsewhere")


@pytest.mark.parametrize(
    ("apps", "wanted", "cwd", "expected"),
    [
        ([SHOP, BILLING], "12", OTHER_FOLDER, BILLING),
        ([SHOP, BILLING], "shop", OTHER_FOLDER, SHOP),
        ([SHOP, BILLING], "/apps/billing", OTHER_FOLDER, BILLING),
        ([SHOP, BILLING], ".", Path("/apps/shop"), SHOP),
        ([SHOP, SAME_NAME], "13", OTHER_FOLDER, SAME_NAME),
        ([SHOP, BILLING], None, Path("/apps/billing"), BILLING),
        ([SHOP, BILLING], None, Path("/apps/shop/web/api"), SHOP),
        ([SHOP, INNER], None, Path("/apps/shop/inner/web"), INNER),
        ([SHOP], None, OTHER_FOLDER, SHOP),
    ],
)
def test_the_app_that_is_meant(apps: Sequence[Runtime], wanted: str | None, cwd: Path, expected: Runtime) -> None:
    assert choose(apps, wanted, cwd, guess=True) == expected


@pytest.mark.parametrize(
    ("apps", "wanted", "told"),
    [
        ([], None, ["no app runs", "pywatt start"]),
        ([], "shop", ['no app runs, so "shop" means nothing', "pywatt start"]),
        ([SHOP, BILLING], None, ["2 apps run", "11 (shop in /apps/shop)", "12 (billing in /apps/billing)"]),
        ([SHOP, SAME_NAME], "shop", ["2 apps", '"shop"', "11", "13"]),
        ([SHOP, BILLING], "biling", ['no app "biling"', 'did you mean "billing"?', "11 (shop"]),
        ([SHOP], "99", ['no app "99"', "11 (shop"]),
    ],
)
def test_what_is_told_when_none_or_several_are_meant(
    apps: Sequence[Runtime], wanted: str | None, told: Sequence[str]
) -> None:
    with pytest.raises(ControlError) as raised:
        choose(apps, wanted, OTHER_FOLDER, guess=True)
    for part in told:
        assert part in f"{raised.value.message} {raised.value.hint}"


def test_who_changes_an_app_does_not_guess_which() -> None:
    for apps in ([SHOP], [SHOP, BILLING]):
        with pytest.raises(ControlError) as raised:
            choose(apps, None, OTHER_FOLDER, guess=False)
        assert raised.value.message == "no app of this folder runs"
        assert "11 (shop in /apps/shop)" in raised.value.hint
    assert choose([SHOP, BILLING], None, Path("/apps/shop/web"), guess=False) == SHOP


@pytest.mark.parametrize("content", ['{"services": []}', "{"])
def test_an_app_inside_the_folder_of_another_is_not_that_one(tmp_path: Path, content: str) -> None:
    outer = app(31, "outer", str(tmp_path))
    inner, service = tmp_path / "inner", tmp_path / "web" / "api"
    for folder in (inner / "web", service):
        folder.mkdir(parents=True)
    (tmp_path / "watt.json").write_text('{"services": []}')
    (inner / "watt.json").write_text(content)
    (service / "watt.json").write_text('{"type": "python"}')
    for folder in (inner, inner / "web"):
        with pytest.raises(ControlError, match="no app of this folder runs"):
            choose([outer], None, folder, guess=False)
        assert choose([outer], None, folder, guess=True) == outer
    for folder in (tmp_path, service):
        assert choose([outer], None, folder, guess=False) == outer


def test_an_app_that_was_reached_by_a_link_is_that_of_its_folder(tmp_path: Path) -> None:
    (tmp_path / "real" / "web").mkdir(parents=True)
    (tmp_path / "link").symlink_to("real")
    linked = app(32, "linked", str(tmp_path / "link"))
    assert choose([linked], None, tmp_path / "real" / "web", guess=False) == linked
    assert choose([linked], str(tmp_path / "real"), OTHER_FOLDER, guess=False) == linked


@pytest.fixture
def base(tmp_path: Path) -> Path:
    folder = tmp_path / "pywatt"
    folder.mkdir(mode=0o700)
    return folder


def announce(base: Path, number: int, **changes: object) -> Runtime:
    described = runtimes.describe("me", base, "http://x", version="1", started=5, argv=("pywatt",), pid=os.getpid())
    folder = base / str(number)
    folder.mkdir()
    runtimes.write(folder, described)
    file = folder / runtimes.METADATA
    file.write_text(json.dumps({**json.loads(file.read_text()), **changes}))
    return described


def test_an_app_that_runs_is_found(base: Path) -> None:
    described = announce(base, os.getpid())
    assert running(base) == [described]


def test_an_app_whose_pid_another_process_has_now_is_not(base: Path) -> None:
    announce(base, os.getpid(), ticks=1)
    assert running(base) == []


def test_an_app_that_has_ended_or_not_told_of_itself_yet_is_not(base: Path) -> None:
    announce(base, 1, pid=2**22 + 1)
    (base / "7").mkdir()
    (base / "8").mkdir()
    (base / "8" / runtimes.METADATA).write_text('{"pid":')
    assert running(base) == []


def test_a_folder_that_others_may_write_is_not_believed(base: Path) -> None:
    announce(base, os.getpid())
    base.chmod(0o755)
    assert running(base) == []
    assert running(base / "none") == []
