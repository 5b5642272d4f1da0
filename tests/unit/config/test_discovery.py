"""Discovery of an app's configuration file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pywatt.config.discovery import is_root, type_name

ROOT = {"web": [{"id": "api", "path": "web/api"}]}
API = {"web/api/app.py": ""}


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("watt.json", '{"web": [{"id": "api", "path": "web/api"}]}'),
        ("platformatic.json5", "// comment\n{web: [{id: 'api', path: 'web/api'},]}"),
        ("watt.yaml", "web:\n  - id: api\n    path: web/api\n"),
        ("platformatic.yml", "web: [{id: api, path: web/api}]"),
        ("watt.toml", '[[web]]\nid = "api"\npath = "web/api"\n'),
        ("watt.tml", '[[web]]\nid = "api"\npath = "web/api"\n'),
        ("watt.runtime.json", '{"web": [{"id": "api", "path": "web/api"}]}'),
    ],
)
def test_formats_and_names(app: Any, name: str, text: str) -> None:
    config = app.load({name: text, **API})
    assert config.file == app.path / name
    assert [service.id for service in config.services] == ["api"]
    assert config.name == app.path.name


def test_first_name_in_a_folder_wins(app: Any) -> None:
    config = app.load({"watt.json": ROOT, "platformatic.json": ROOT, "watt.yaml": "web: []", **API})
    assert config.file.name == "watt.json"


@pytest.mark.parametrize("key", ["services", "applications", "web"])
def test_search_goes_up_to_the_root_file(app: Any, key: str) -> None:
    app.write({"watt.json": {key: ROOT["web"]}, "web/api/platformatic.json": {}, "web/api/src/x": "", **API})
    for start in ("web/api/src", "web/api"):
        assert app.load({}, cwd=app.path / start).file == app.path / "watt.json"
        assert app.load({}, path=Path(start)).file == app.path / "watt.json"


def test_file_can_be_named(app: Any) -> None:
    other = {"services": [{"id": "other", "path": "web/api"}]}
    app.write({"watt.json": ROOT, "conf/staging.json": {"autoload": {"path": "../web"}}, "other.json": other, **API})
    assert app.load({}, config=Path("other.json")).services[0].id == "other"
    assert app.load({}, path=Path("other.json")).services[0].id == "other"
    assert app.load({}, config=Path("conf/staging.json")).root == app.path / "conf"
    assert app.load({}, path=app.path, cwd=app.path / "web", config=Path("other.json")).services[0].id == "other"


def test_service_file_alone_is_the_whole_app(app: Any) -> None:
    config = app.load(
        {
            "platformatic.json": {
                "$schema": "https://schemas.platformatic.dev/@platformatic/python/1.0.0.json",
                "name": "{NAME}",
                "server": {"hostname": "0.0.0.0", "port": "{PORT}"},
                "logger": {"level": "warn"},
                "runtime": {"workers": 2, "logger": {"level": "debug"}},
            }
        },
        {"PORT": "4000", "NAME": "x"},
    )
    assert config.entrypoint == "main"
    assert config.service("main").options == {"name": "x"}
    assert config.service("main").workers == 2
    assert (config.server.hostname, config.server.port) == ("0.0.0.0", 4000)
    assert config.service("main").log_level.name == "WARN"
    assert config.warnings == ()


def test_single_service_is_named_by_its_package(app: Any) -> None:
    files = {"app.py": "", "package.json": {"name": "@shop/orders"}}
    assert app.load(files).entrypoint == "orders"


def test_folder_that_is_obviously_a_service_needs_no_file(app: Any) -> None:
    config = app.load({"app.py": ""})
    assert [(service.id, service.type, service.file) for service in config.services] == [("main", "python", None)]
    assert config.root == app.path


def test_nothing_there(app: Any, problem: Any) -> None:
    found = problem({"readme.md": ""})
    assert found.message.startswith("there is no watt.json or platformatic.json here or in a folder above")
    assert "app.py" in found.hint
    assert "gateway, health, kafka-hooks, python" in found.hint
    assert [path.name for path in app.path.iterdir()] == ["readme.md"]


@pytest.mark.parametrize("options", [{"path": Path("nope")}, {"config": Path("nope.json")}])
def test_named_file_or_folder_that_is_not_there(problem: Any, options: dict[str, Any]) -> None:
    found = problem({"watt.json": ROOT, **API}, **options)
    assert found.message.startswith("there is no such f")
    assert found.file.startswith("nope")


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        ({"$schema": "https://schemas.platformatic.dev/@platformatic/runtime/3.0.0.json"}, True),
        ({"$schema": "https://schemas.platformatic.dev/wattpm/3.0.0.json"}, True),
        ({"$schema": "https://platformatic.dev/schemas/v1.0.0/runtime"}, True),
        ({"module": "@platformatic/runtime"}, True),
        ({"$schema": "./mine.json", "web": []}, True),
        ({"entrypoint": "x"}, True),
        ({"webs": []}, True),
        ({"module": "@platformatic/gateway", "services": []}, False),
        ({"$schema": "https://platformatic.dev/schemas/v1.0.0/composer"}, False),
        ({"service": {}, "application": {}, "server": {}}, False),
        ({}, False),
    ],
)
def test_what_makes_a_root_file(document: dict[str, Any], expected: bool) -> None:
    assert is_root(document) is expected


@pytest.mark.parametrize(
    ("document", "expected"),
    [
        (
            {"$schema": "https://schemas.platformatic.dev/@platformatic/kafka-hooks/1.0.0.json"},
            "@platformatic/kafka-hooks",
        ),
        ({"$schema": "https://platformatic.dev/schemas/v1.2.0/composer"}, "composer"),
        ({"module": "@platformatic/gateway@3.1.0"}, "@platformatic/gateway"),
        ({"module": "gateway@3"}, "gateway"),
        ({"type": "python", "module": "x"}, "python"),
        ({"$schema": "https://json.schemastore.org/package.json"}, ""),
        ({}, ""),
    ],
)
def test_type_named_by_a_document(document: dict[str, Any], expected: str) -> None:
    assert type_name(document)[1] == expected
