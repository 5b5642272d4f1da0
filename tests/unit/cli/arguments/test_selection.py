"""The app and the services that the words after a command select."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import pytest

from pywatt.cli.arguments.selection import split
from pywatt.control.metadata import Runtime
from pywatt.errors import ControlError, NotKnown


def app(pid: int, name: str = "shop", root: str = "/apps/shop") -> Runtime:
    return Runtime(
        pid=pid, name=name, root=Path(root), url=None, version="1", started=pid, ticks=pid, argv=("pywatt", "start")
    )


SHOP, BILLING = app(11), app(12, "billing", "/apps/billing")
OTHER_FOLDER = Path("/elsewhere")
SERVICES: Mapping[str, bool] = {"api": False, "gateway": False, "kafka-broker": True}


def services(_app: Runtime) -> Mapping[str, bool]:
    return SERVICES


@pytest.mark.parametrize(
    ("apps", "words", "expected"),
    [
        ([SHOP], (), (SHOP, ())),
        ([SHOP], ("api", "gateway"), (SHOP, ("api", "gateway"))),
        ([SHOP], ("shop", "api"), (SHOP, ("api",))),
        ([SHOP], ("11",), (SHOP, ())),
        ([SHOP], ("kafka-broker",), (SHOP, ("kafka-broker",))),
        ([SHOP, BILLING], ("billing", "api"), (BILLING, ("api",))),
        ([app(21, "api", "/apps/api")], ("api",), (app(21, "api", "/apps/api"), ("api",))),
    ],
)
def test_the_first_word_is_a_service_or_an_app(
    apps: Sequence[Runtime], words: Sequence[str], expected: tuple[Runtime, Sequence[str]]
) -> None:
    assert split(apps, words, OTHER_FOLDER, services, guess=True) == expected


def test_in_the_folder_of_an_app_its_services_are_meant_before_other_apps() -> None:
    other = app(22, "api", "/apps/api")
    assert split([SHOP, other], ("api",), Path("/apps/shop"), services, guess=True) == (SHOP, ("api",))
    assert split([SHOP, other], ("22", "api"), Path("/apps/shop"), services, guess=True) == (other, ("api",))


def test_a_word_that_is_neither_is_told_with_both() -> None:
    with pytest.raises(NotKnown) as raised:
        split([SHOP], ("gatway",), OTHER_FOLDER, services, guess=True)
    assert 'no service "gatway"' in raised.value.message
    assert 'did you mean "gateway"? known ids: api, gateway' in raised.value.hint
    with pytest.raises(NotKnown, match='no app "gatway" runs'):
        split([SHOP, BILLING], ("gatway",), OTHER_FOLDER, services, guess=True)
    with pytest.raises(NotKnown) as raised:
        split([SHOP, BILLING], ("gatway",), Path("/apps/shop"), services, guess=True)
    assert "12 (billing" in raised.value.hint


def test_who_changes_an_app_names_it_unless_it_is_that_of_the_folder() -> None:
    with pytest.raises(ControlError, match=r'service "api"') as raised:
        split([SHOP], ("api",), OTHER_FOLDER, services, guess=False)
    assert '"shop api"' in raised.value.hint
    with pytest.raises(NotKnown, match='no app "gatway" runs'):
        split([SHOP], ("gatway",), OTHER_FOLDER, services, guess=False)
    assert split([SHOP], ("shop", "api"), OTHER_FOLDER, services, guess=False) == (SHOP, ("api",))


def test_an_app_that_does_not_run_is_not_taken_for_the_others(tmp_path: Path) -> None:
    (tmp_path / "watt.json").write_text('{"web": [{"id": "flow", "path": "flow"}]}')
    with pytest.raises(NotKnown) as raised:
        split([SHOP, BILLING], ("flow",), tmp_path, services, guess=False)
    assert raised.value.message == f'the app of this folder, {tmp_path}, does not run: it has no service "flow" now'
    assert raised.value.hint == "start it with `pywatt start`; `pywatt ps` shows the apps that run"
    with pytest.raises(NotKnown, match='no app "biling" runs'):
        split([SHOP, BILLING], ("biling",), tmp_path, services, guess=False)
