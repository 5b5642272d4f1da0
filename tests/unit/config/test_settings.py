"""The meaning of the keys: defaults, both root shapes, environments, placeholders in files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pywatt.config.model import LogLevel, RestartConfig, RestartPolicy, ServerConfig, ShutdownConfig

API = {"id": "api", "path": "api"}
FILES = {"api/app.py": "", "b/app.py": "", "gateway/watt.json": {"type": "gateway"}}


def root(*services: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"watt.json": {"web": list(services or (API,)), **keys}, **FILES}


def test_defaults(app: Any) -> None:
    config = app.load(root())
    assert config.server == ServerConfig(hostname="127.0.0.1", port=0, backlog=2048)
    assert config.shutdown == ShutdownConfig(runtime=30.0, service=10.0)
    assert (config.log_level, config.base_path, config.start_timeout) == (LogLevel.INFO, "/", 30.0)
    api = config.service("api")
    assert (api.workers, api.restart, api.shutdown, api.internal) == (
        1,
        RestartConfig(longest_delay=300.0),
        10.0,
        False,
    )
    assert api.path == app.path / "api"


def test_all_settings_of_the_root_file(app: Any) -> None:
    config = app.load(
        root(
            logger={"level": "trace"},
            server={"hostname": "::1", "port": 8080.0, "backlog": "10"},
            basePath="shop/",
            startTimeout=0,
            gracefulShutdown={"runtime": 1500, "application": "250"},
            restartOnError=False,
            workers="3",
        )
    )
    assert config.server == ServerConfig(hostname="::1", port=8080, backlog=10)
    assert isinstance(config.server.port, int)
    assert config.shutdown == ShutdownConfig(runtime=1.5, service=0.25)
    assert (config.log_level, config.base_path, config.start_timeout) == (LogLevel.TRACE, "/shop", None)
    api = config.service("api")
    assert (api.workers, api.restart.policy, api.shutdown) == (3, RestartPolicy.TEMPORARY, 0.25)


def test_runtime_block_is_hoisted_and_flat_keys_win(app: Any) -> None:
    block = {"logger": {"level": "warn"}, "server": {"hostname": "0.0.0.0", "port": 1}, "workers": 2}
    config = app.load(root(runtime=block, server={"port": 2}))
    assert config.server == ServerConfig(hostname="0.0.0.0", port=2)
    assert (config.log_level, config.service("api").workers) == (LogLevel.WARN, 2)


def test_three_lists_are_joined_in_the_order_of_the_file(app: Any) -> None:
    document = {
        "services": [{"id": "b", "path": "b"}],
        "web": [API],
        "applications": [{"id": "gateway", "path": "gateway"}],
    }
    config = app.load({"watt.json": document, **FILES})
    assert [service.id for service in config.services] == ["b", "api", "gateway"]
    assert config.entrypoint == "gateway"


def test_without_a_single_candidate_there_is_no_entrypoint(app: Any) -> None:
    assert app.load(root(API, {"id": "b", "path": "b"})).entrypoint is None


def test_autoload(app: Any) -> None:
    files = {
        "watt.json": {
            "autoload": {"path": "all", "exclude": ["skip"], "mappings": {"c": {"id": "see", "workers": 2}}},
            "web": [{"id": "a", "path": "all/a", "workers": 4}],
        },
        **{f"all/{name}/app.py": "" for name in ("a", "b", "c", "skip", ".git", "__pycache__")},
    }
    config = app.load(files)
    assert [(service.id, service.path.name, service.workers) for service in config.services] == [
        ("a", "a", 4),
        ("b", "b", 1),
        ("see", "c", 2),
    ]


@pytest.mark.parametrize(
    ("enabled", "production", "expected"),
    [
        (True, True, True),
        ("false", True, False),
        ("{FLAG}", True, False),
        ({"production": False}, True, False),
        ({"production": False}, False, True),
        ({"development": "false"}, False, False),
    ],
)
def test_enabled(app: Any, enabled: Any, production: bool, expected: bool) -> None:
    files = root(API, {"id": "b", "path": "b", "enabled": enabled})
    config = app.load(files, {"FLAG": "FALSE"}, production=production)
    assert ("b" in [service.id for service in config.services]) is expected


def test_file_of_a_disabled_service_is_not_read(app: Any) -> None:
    files = root(API, {"id": "x", "path": "nowhere", "enabled": False})
    assert len(app.load(files).services) == 1


def test_workers(app: Any) -> None:
    files = root({**API, "workers": {"static": "5"}}, {"id": "b", "path": "b"}, workers=2)
    config = app.load(files)
    assert [service.workers for service in config.services] == [5, 2]
    assert [service.scaling for service in config.services] == [None, None]
    assert {service.workers for service in app.load({}, production=False).services} == {1}


@pytest.mark.parametrize(
    ("value", "production", "expected"),
    [
        (True, True, RestartConfig(longest_delay=300.0)),
        (True, False, RestartConfig(longest_delay=15.0)),
        (200, True, RestartConfig(longest_delay=300.0)),
        (200, False, RestartConfig(delay=0.2, longest_delay=15.0)),
        (5, False, RestartConfig(longest_delay=15.0)),
        (0, True, RestartConfig(policy=RestartPolicy.TEMPORARY, longest_delay=300.0)),
        ("false", False, RestartConfig(policy=RestartPolicy.TEMPORARY, longest_delay=15.0)),
    ],
)
def test_restart(app: Any, value: Any, production: bool, expected: RestartConfig) -> None:
    config = app.load(root({**API, "restartOnError": value}, {"id": "b", "path": "b"}), production=production)
    assert config.service("api").restart == expected
    assert config.service("b").restart.policy is RestartPolicy.PERMANENT


def test_order_of_environments(app: Any) -> None:
    service = {**API, "envfile": "env/api.env", "env": {"A": "service", "N": 3, "B": True}}
    files = {
        **root(service, {"id": "b", "path": "b"}, env={"A": "root", "R": "root"}),
        ".env": "A=dotenv\nP=dotenv\nD=dotenv\nF=dotenv\n",
        "env/api.env": "P=envfile\nF=envfile\nX=${A}\n",
        "b/.env": "F=own\n",
    }
    config = app.load(files, {"A": "process", "P": "process"})
    assert config.service("api").env == {
        "A": "service",
        "B": "true",
        "D": "dotenv",
        "F": "envfile",
        "N": "3",
        "P": "process",
        "R": "root",
        "X": "${A}",
    }
    assert config.service("b").env == {"A": "root", "D": "dotenv", "F": "own", "P": "process", "R": "root"}


def test_env_file_of_the_command_line_replaces_the_search(app: Any) -> None:
    files = {**root(server={"port": "{PORT}"}), ".env": "PORT=1\nX=1\n", "other.env": "PORT=2\n", "third.env": "PORT=3"}
    assert app.load(files).server.port == 1
    assert app.load({}, {"PORT": "9"}).server.port == 9
    config = app.load({}, env_file=Path("other.env"))
    assert (config.server.port, config.service("api").env) == (2, {"PORT": "2"})
    document = {"web": [API], "server": {"port": "{PORT}"}, "runtime": {"envfile": "{WHICH}.env"}}
    assert app.load({"watt.json": document}, {"WHICH": "third"}).server.port == 3


def test_env_file_above_the_root_or_in_the_working_directory(app: Any) -> None:
    app.write({"one/two/watt.json": {"web": [{"id": "a", "path": "a"}], "server": {"port": "{PORT}"}}})
    app.write({"one/two/a/app.py": "", "one/.env": "PORT=5", "elsewhere/.env": "PORT=6"})
    options = {"path": app.path / "one/two", "cwd": app.path / "elsewhere"}
    assert app.load({}, **options).server.port == 5
    (app.path / "one/.env").unlink()
    assert app.load({}, **options).server.port == 6


def test_placeholders_in_a_service_file_use_the_services_environment(app: Any) -> None:
    files = {
        **root({**API, "env": {"NAME": "{NAME}-1"}}),
        "api/watt.json": {"type": "python", "name": "{NAME}", "size": "{SIZE:-7}", "ratio": "1.5", "choice": "true"},
    }
    options = app.load(files, {"NAME": "x"}).service("api").options
    assert options == {"name": "x-1", "size": 7, "ratio": 1.5, "choice": True}


def test_folder_of_the_file_is_a_variable(app: Any) -> None:
    files = {**root({"id": "api", "path": "{PLT_ROOT}/api"}), "api/watt.json": {"name": "{PLT_ROOT}"}}
    assert app.load(files).service("api").options == {"name": str(app.path / "api")}


def test_unset_url_in_a_service_file_is_its_own_address(app: Any) -> None:
    files = {**root(), "api/watt.json": {"name": "{SELF_URL}/x", "hosts": ["{OTHER_URL:-http://y}"]}}
    config = app.load(files)
    assert config.service("api").options == {"name": "http://api.plt.local/x", "hosts": ["http://y"]}
    assert config.warnings == ("api/watt.json: SELF_URL is not set, http://api.plt.local (the service itself) is used",)
    assert app.load({}, {"SELF_URL": "http://z"}).service("api").options["name"] == "http://z/x"


def test_list_in_one_variable_is_split(app: Any) -> None:
    files = {**root(), "api/watt.json": {"hosts": ["{HOSTS}", "c:3"]}}
    assert app.load(files, {"HOSTS": "a:1, b:2,"}).service("api").options == {"hosts": ["a:1", "b:2", "c:3"]}
    files = {**root(), "api/watt.json": {"hosts": "{HOSTS}"}}
    assert app.load(files, {"HOSTS": "embedded"}).service("api").options == {"hosts": ["embedded"]}


def test_type_can_ask_for_the_embedded_broker(app: Any) -> None:
    config = app.load({**root(), "api/watt.json": {"hosts": ["embedded"]}})
    assert [service.id for service in config.services] == ["kafka-broker", "api"]
    assert config.entrypoint == "api"
    assert config.service("api").dependencies == ("kafka-broker",)


@pytest.mark.parametrize(
    "document",
    [
        {"gateway": {"applications": [{"id": "b"}]}},
        {"module": "@platformatic/gateway"},
        {"$schema": "https://schemas.platformatic.dev/@platformatic/composer/2.0.0.json"},
        {"type": "gateway"},
    ],
)
def test_type_by_keys_module_schema_or_name(app: Any, document: dict[str, Any]) -> None:
    config = app.load({**root({"id": "x", "path": "x"}), "x/watt.json": document})
    assert config.service("x").type == "gateway"


def test_config_names_the_services_file(app: Any) -> None:
    files = {**root({**API, "config": "conf/api.yaml"}), "api/conf/api.yaml": "name: y", "api/watt.json": {"name": "n"}}
    config = app.load(files)
    assert config.service("api").file == app.path / "api/conf/api.yaml"
    assert config.service("api").options == {"name": "y"}


def test_service_in_the_root_folder(app: Any) -> None:
    config = app.load({"watt.json": {"web": [{"id": "api", "path": "."}]}, "app.py": ""})
    assert (config.service("api").path, config.service("api").file) == (app.path, None)


def test_keys_of_the_original_are_accepted_with_one_warning_each(app: Any) -> None:
    files = {
        **root({**API, "useHttp": True}, {"id": "b", "path": "b", "useHttp": True}, scheduler=[]),
        "api/watt.json": {
            "type": "python",
            "server": {"x": 1},
            "application": {},
            "logger": {"level": "error"},
        },
    }
    config = app.load(files)
    assert set(config.warnings) == {
        f"{name} is not supported yet and does nothing"
        for name in (
            "watt.json: web.useHttp",
            "watt.json: scheduler",
            "api/watt.json: server",
            "api/watt.json: application",
        )
    }
    assert len(config.warnings) == len(set(config.warnings))
    assert config.service("api").log_level is LogLevel.ERROR
    assert config.service("b").log_level is LogLevel.INFO
