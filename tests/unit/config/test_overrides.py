"""Selection of services and port by the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pywatt.config.overrides import Overrides
from pywatt.errors import NotKnown

FILES: dict[str, Any] = {
    "watt.json": {
        "entrypoint": "api",
        "web": [
            {"id": "api", "path": "api", "dependencies": ["db"]},
            {"id": "db", "path": "db"},
            {"id": "worker", "path": "worker"},
            {"id": "admin", "path": "admin", "profiles": ["ops", "debug"]},
        ],
        "server": {"port": 1234},
    },
    **{f"{name}/app.py": "" for name in ("api", "db", "worker", "admin")},
}


@pytest.mark.parametrize(
    ("overrides", "ids", "entrypoint"),
    [
        (Overrides(), ["api", "db", "worker"], "api"),
        (Overrides(profiles=("ops",)), ["api", "db", "worker", "admin"], "api"),
        (Overrides(profiles=("other",)), ["api", "db", "worker"], "api"),
        (Overrides(services=("api",)), ["api", "db"], "api"),
        (Overrides(services=("worker",)), ["worker"], "worker"),
        (Overrides(services=("worker", "db")), ["db", "worker"], None),
        (Overrides(services=("admin", "worker")), ["worker", "admin"], None),
    ],
)
def test_services_are_chosen(app: Any, overrides: Overrides, ids: list[str], entrypoint: str | None) -> None:
    loaded = app.load(FILES, overrides=overrides)
    assert [service.id for service in loaded.services] == ids
    assert loaded.entrypoint == entrypoint


def test_what_a_gateway_calls_runs_with_it(app: Any) -> None:
    services = [*FILES["watt.json"]["web"], {"id": "gateway", "path": "gateway"}]
    files = {**FILES, "watt.json": {"web": services}, "gateway/watt.json": {"type": "gateway"}}
    loaded = app.load(files, overrides=Overrides(services=("gateway",)))
    assert {service.id for service in loaded.services} == {"gateway", "api", "db", "worker"}


def test_a_service_that_is_not_there_is_told(app: Any) -> None:
    with pytest.raises(NotKnown, match='no service "apo"') as raised:
        app.load(FILES, overrides=Overrides(services=("apo",)))
    assert raised.value.hint == 'did you mean "api"? known ids: api, db, worker'


def test_a_dependency_of_another_profile_is_told(app: Any) -> None:
    services = [{"id": "api", "path": "api", "dependencies": ["admin"]}, FILES["watt.json"]["web"][3]]
    (problem,) = app.problems({**FILES, "watt.json": {"web": services}})
    assert 'depends on "admin", which is disabled' in problem.message
    assert problem.hint == "start the app with --profile ops, or enable it"


def test_which_services_are_left_out_is_known(app: Any) -> None:
    assert app.load(FILES).left_out == {"admin"}
    assert app.load(FILES, overrides=Overrides(services=("worker",))).left_out == {"admin", "api", "db"}
    services = [*FILES["watt.json"]["web"], {"id": "off", "path": "off", "enabled": False}]
    with pytest.raises(NotKnown, match=r'"off" .* is disabled'):
        app.load({**FILES, "watt.json": {"web": services}}, overrides=Overrides(services=("off",)))


def test_a_profile_that_no_service_has_is_told(app: Any) -> None:
    assert app.load(FILES, overrides=Overrides(profiles=("ops",))).warnings == ()
    (warning,) = app.load(FILES, overrides=Overrides(profiles=("ops", "opps"))).warnings
    assert warning.endswith('no service has the profile "opps" (did you mean "ops"? known profiles: debug, ops)')
    files = {"watt.json": {"web": [{"id": "api", "path": "api"}]}}
    (warning,) = app.load(files, overrides=Overrides(profiles=("x",))).warnings
    assert warning.endswith('no service has the profile "x" (none has any)')


def test_the_port_of_the_command_line_wins(app: Any) -> None:
    assert app.load(FILES).server.port == 1234
    assert app.load(FILES, {"PORT": "99"}).server.port == 1234
    assert app.load(FILES, overrides=Overrides(port=0)).server.port == 0
    assert app.load(FILES, overrides=Overrides(port=80)).server.port == 80


@pytest.mark.parametrize(("text", "port"), [("8080", 8080), ("", 0), ("x", 0), ("99999", 0)])
def test_without_a_file_the_variable_is_the_port(app: Any, text: str, port: int, tmp_path: Path) -> None:
    assert app.load({"app.py": ""}, {"PORT": text}).server.port == port


@pytest.mark.parametrize("place", ["entry", "file"])
def test_commands_before_the_start(app: Any, place: str) -> None:
    commands = {"beforeStart": ["python manage.py 'a b'", ["x", "y z"]]}
    entry = {"id": "api", "path": "api", **(commands if place == "entry" else {})}
    own = {"type": "python", **(commands if place == "file" else {})}
    loaded = app.load({"watt.json": {"web": [entry]}, "api/watt.json": own})
    assert loaded.service("api").before_start == (("python", "manage.py", "a b"), ("x", "y z"))


@pytest.mark.parametrize("command", ["a 'b", "  "])
def test_a_command_that_is_none_is_a_problem(problem: Any, command: str) -> None:
    entry = {"id": "api", "path": "api", "beforeStart": [command]}
    found = problem({"watt.json": {"web": [entry]}, "api/app.py": ""})
    assert found.key == "web[0].beforeStart[0]"
