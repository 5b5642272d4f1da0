"""The services and templates that `pywatt create` accepts."""

from __future__ import annotations

import pytest

from pywatt.errors import CreateRefused
from pywatt.scaffold import catalogue
from pywatt.scaffold.catalogue import TEMPLATES, id_problem, parse_new_service
from pywatt.scaffold.rendering import FOLDER, SUFFIX
from pywatt.service_type import registered


@pytest.mark.parametrize(
    ("text", "service_id", "spelling"),
    [
        ("api=python:fastapi", "api", "python:fastapi"),
        ("python:flask", "api", "python:flask"),
        ("jobs=worker", "jobs", "worker"),
        ("kafka-hooks", "hooks", "kafka-hooks"),
        ("x=command:node", "x", "command:node"),
    ],
)
def test_a_wish(text: str, service_id: str, spelling: str) -> None:
    service = parse_new_service(text)
    assert (service.id, service.template.spelling) == (service_id, spelling)


@pytest.mark.parametrize(("kind", "spelling"), [("python", "python:asgi"), ("command", "command:node")])
def test_what_is_installed_does_not_choose_the_template(
    kind: str, spelling: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for installed in (True, False):
        monkeypatch.setattr(catalogue, "is_installed", lambda _, answer=installed: answer)
        assert parse_new_service(f"it={kind}").template.spelling == spelling


@pytest.mark.parametrize("text", ["", "=", "a=", "a=python:", "a=python:x:y", "a=b", "A=python", "a b=python"])
def test_what_is_no_wish(text: str) -> None:
    with pytest.raises(CreateRefused) as raised:
        parse_new_service(text)
    assert raised.value.hint


@pytest.mark.parametrize(("service_id", "is_fine"), [("a", True), ("a-b_c", True), ("old", False), ("-a", False)])
def test_ids(service_id: str, is_fine: bool) -> None:
    assert (id_problem(service_id, ["old"]) == "") is is_fine


def test_templates_are_of_types_that_there_are_and_spelled_uniquely() -> None:
    assert {template.type for template in TEMPLATES} <= set(registered())
    assert len({template.spelling for template in TEMPLATES}) == len(TEMPLATES)


def test_no_template_file_is_left_unused() -> None:
    used = {template.folder for template in TEMPLATES} | {"app", "tests"}
    files = {path.relative_to(FOLDER) for path in FOLDER.rglob("*") if path.is_file()}
    assert {str(path.parent) for path in files} <= used
    assert {path.suffix for path in files} == {SUFFIX}
