"""Reports of a wrong configuration: file, line, key, problem and fix."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from pywatt.config.diagnostics.hints import closest_match, value_hint
from pywatt.errors import Problem

API = {"id": "api", "path": "api"}
FILES = {"api/app.py": "", "b/app.py": "", "c/app.py": ""}


def root(*services: dict[str, Any], **keys: Any) -> dict[str, Any]:
    return {"web": list(services or (API,)), **keys}


def service(**keys: Any) -> dict[str, Any]:
    """Return the files of an app with one service that has this document."""
    return {"watt.json": root(), "api/platformatic.json": {"type": "python", **keys}, **FILES}


def test_unknown_root_key(problem: Any) -> None:
    text = '{\n  "web": [],\n  "entripoint": "api"\n}'
    assert problem({"watt.json": text.replace("[]", '[{"id": "api", "path": "api"}]'), **FILES}) == Problem(
        message="unknown key", file="watt.json", line=3, key="entripoint", hint='did you mean "entrypoint"?'
    )


def test_misspelt_list(app: Any) -> None:
    first, *_ = app.problems({"watt.json": {"webs": []}})
    assert (first.message, first.key, first.hint) == ("unknown key", "webs", 'did you mean "web"?')


def test_unknown_nested_keys(app: Any) -> None:
    files = {"watt.json": root({**API, "worker": 2}, server={"prot": 1}, runtime={"loger": {}}), **FILES}
    assert [(problem.key, problem.hint) for problem in app.problems(files)] == [
        ("web[0].worker", 'did you mean "workers"?'),
        ("runtime.loger", 'did you mean "logger"?'),
        ("server.prot", 'did you mean "port"?'),
    ]


def test_unknown_key_that_is_like_none_lists_the_known(problem: Any) -> None:
    assert problem({"watt.json": root(server={"zzz": 1}), **FILES}).hint.startswith("known keys: ")


def test_unknown_service_key(problem: Any) -> None:
    found = problem(service(sice=1))
    assert (found.file, found.line, found.key) == ("api/platformatic.json", 3, "sice")
    assert found.hint == 'did you mean "size"?'


@pytest.mark.parametrize(
    ("entry", "key", "message"),
    [
        ({"workers": "many"}, "web[0].workers", 'must be a whole number or an object, found "many"'),
        ({"workers": 0}, "web[0].workers", "must be at least 1, found 0"),
        ({"workers": {"static": "x"}}, "web[0].workers.static", 'must be a whole number, found "x"'),
        ({"enabled": "maybe"}, "web[0].enabled", 'must be true or false or an object, found "maybe"'),
        ({"enabled": {"production": 3}}, "web[0].enabled.production", "must be true or false, found 3"),
        (
            {"env": {"A": []}},
            "web[0].env.A",
            "must be text without NUL, a number or true or false, found an empty list",
        ),
        ({"dependencies": [1]}, "web[0].dependencies[0]", "must be text, found 1"),
        ({"restartOnError": "soon"}, "web[0].restartOnError", 'must be true or false or a whole number, found "soon"'),
    ],
)
def test_wrong_value_in_the_list(problem: Any, entry: dict[str, Any], key: str, message: str) -> None:
    found = problem({"watt.json": root({**API, **entry}), **FILES})
    assert (found.file, found.key, found.message) == ("watt.json", key, message)
    assert found.line > 1


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"size": "big"}, "size", 'must be a whole number, found "big"'),
        ({"size": 0}, "size", "must be at least 1, found 0"),
        ({"ratio": True}, "ratio", "must be a number, found true"),
        ({"hosts": {}}, "hosts", "must be a list, found an object"),
        ({"hosts": ["a", {}]}, "hosts[1]", "must be text, found an object"),
        ({"choice": {"deep": "x"}}, "choice.deep", 'must be a whole number, found "x"'),
        ({"choice": None}, "choice", "must be true or false or an object, found null"),
        ({"secret": "hunter2"}, "secret", "must be text of the form ^s, found another value (not shown)"),
        ({"kind": "fats"}, "kind", 'must be "fast" or "slow", found "fats"'),
        ({"logger": {"level": "INFO"}}, "logger.level", 'must be "trace", "debug", "info", "warn", "error", "fatal"'),
    ],
)
def test_wrong_value_in_a_service_file(problem: Any, keys: dict[str, Any], key: str, message: str) -> None:
    found = problem(service(**keys))
    assert (found.file, found.key) == ("api/platformatic.json", key)
    assert found.message.startswith(message)
    assert found.line > 1


def test_enum_names_the_nearest(problem: Any) -> None:
    assert problem(service(kind="fats")).hint == 'did you mean "fast"?'
    assert problem(service(logger={"level": "INFO"})).hint == 'did you mean "info"?'


@pytest.mark.parametrize(
    ("keys", "hint"),
    [
        ({"size": 0}, "write a whole number, at least 1"),
        ({"ratio": "x"}, "write a number"),
        ({"hosts": {}}, "write a list"),
        ({"kind": "zzz"}, "write one of them"),
        ({"choice": None}, "write true or false or an object"),
    ],
)
def test_wrong_value_comes_with_what_to_write(problem: Any, keys: dict[str, Any], hint: str) -> None:
    assert problem(service(**keys)).hint == hint


@pytest.mark.parametrize(
    ("schema", "keyword", "hint"),
    [
        (
            {"type": "integer", "minimum": 250, "default": 1000, "description": "Milliseconds. From ..."},
            "minimum",
            "write a whole number of milliseconds, at least 250; or leave it out: the default is 1000",
        ),
        ({"type": "integer", "minimum": 1, "maximum": 9}, "maximum", "write a whole number from 1 to 9"),
        ({"type": "integer", "maximum": 9}, "type", "write a whole number, at most 9"),
        (
            {"type": "number", "exclusiveMinimum": 0, "maximum": 1},
            "exclusiveMinimum",
            "write a number, more than 0 and at most 1",
        ),
        (
            {"enum": ["POST", "PUT"], "default": "POST"},
            "enum",
            'write one of them; or leave it out: the default is "POST"',
        ),
        ({"type": "string", "minLength": 1}, "minLength", "fill it in"),
        ({"type": "array", "minItems": 1}, "minItems", "add what is missing"),
        ({"type": "array", "uniqueItems": True}, "uniqueItems", "remove what is there twice"),
        ({"pattern": "^x", "description": "Such as x."}, "pattern", "Such as x."),
    ],
)
def test_remedies(schema: dict[str, Any], keyword: str, hint: str) -> None:
    expected = "text of the form ^x" if keyword == "pattern" else "something"
    assert value_hint(schema, keyword, expected) == hint


def test_misspelt_plural_is_not_taken_for_the_singular() -> None:
    assert closest_match("retrys", ["retry", "retryDelay", "retries"]) == "retries"
    assert closest_match("delays", ["delay", "retries"]) == "delay"


def test_wrong_value_names_its_variable(problem: Any) -> None:
    found = problem({"watt.json": root(server={"port": "{PORT}"}), **FILES}, {"PORT": "http"})
    assert found.message == 'must be a whole number, found "http" from the variable PORT'
    assert found.hint == "change the value of PORT"


def test_value_of_a_secret_variable_is_not_shown(problem: Any) -> None:
    found = problem(service(size="{DB_PASSWORD}"), {"DB_PASSWORD": "hunter2"})
    assert found.message == "must be a whole number, found another value (not shown) from the variable DB_PASSWORD"


def test_missing_keys(app: Any) -> None:
    problems = app.problems({"watt.json": root({"id": "api"}, {"path": "b"}), **FILES})
    assert [(problem.key, problem.message, problem.hint) for problem in problems] == [
        ("web[0].path", "is missing", "add \"path\": the service's folder, relative to this file's folder"),
        ("web[1].id", "is missing", 'add "id": the service\'s name: http://<id>.plt.local'),
    ]


@pytest.mark.parametrize("name", ["API", "-a", "a.b", "a b", "", "a" * 64])
def test_id_that_cannot_be_a_host_name(problem: Any, name: str) -> None:
    found = problem({"watt.json": root({"id": name, "path": "api"}), **FILES})
    assert found.key == "web[0].id"
    assert "lower-case letters" in found.message


def test_missing_folder(problem: Any) -> None:
    assert problem({"watt.json": root(API, {"id": "b", "path": "nope"}), **FILES}) == Problem(
        message="there is no folder nope",
        file="watt.json",
        line=9,
        key="web[1].path",
        hint="create it or correct the path",
    )


def test_duplicate_id_over_two_lists(problem: Any) -> None:
    files = {"watt.json": {"web": [API], "services": [{"id": "api", "path": "b"}]}, **FILES}
    found = problem(files)
    assert (found.key, found.line) == ("services[0].id", 10)
    assert found.message == 'two services have the id "api": api and b'
    assert found.hint == "give one of them another id"


def test_unknown_entrypoint(problem: Any) -> None:
    found = problem({"watt.json": root(API, {"id": "b", "path": "b"}, entrypoint="apy"), **FILES})
    assert (found.key, found.message) == ("entrypoint", 'there is no service with the id "apy"')
    assert found.hint == 'did you mean "api"? known ids: api, b'


def test_disabled_entrypoint(problem: Any) -> None:
    services = root(API, {"id": "b", "path": "b", "enabled": False}, entrypoint="b")
    assert problem({"watt.json": services, **FILES}).message == 'the service "b" is disabled'


@pytest.mark.parametrize(
    ("document", "key", "hint"),
    [
        ({"type": "pyton"}, "type", 'did you mean "python"?'),
        ({"module": "@platformatic/next"}, "module", "known types: "),
        (
            {"$schema": "https://schemas.platformatic.dev/@platformatic/node/3.0.0.json"},
            "$schema",
            "known types: ",
        ),
    ],
)
def test_unknown_type(problem: Any, document: dict[str, Any], key: str, hint: str) -> None:
    found = problem({"watt.json": root(), "api/watt.json": document, **FILES})
    assert (found.file, found.line, found.key) == ("api/watt.json", 2, key)
    assert "unknown service type" in found.message
    assert hint in found.hint


def test_type_that_cannot_be_told(problem: Any) -> None:
    found = problem({"watt.json": root(), "api/server.js": ""})
    assert (found.file, found.message) == ("api", "service api: cannot tell what kind of service this is")
    assert "app.py, main.py, asgi.py or wsgi.py" in found.hint
    assert found.hint.endswith('"type": one of gateway, health, kafka-hooks, python')


def test_unknown_and_disabled_dependencies(app: Any) -> None:
    services = root(
        {**API, "dependencies": ["b", "cc"]},
        {"id": "b", "path": "b", "enabled": "false"},
        {"id": "c", "path": "c"},
    )
    problems = app.problems({"watt.json": services, **FILES})
    assert [(problem.key, problem.message, problem.hint) for problem in problems] == [
        ("web[0].dependencies[0]", 'the service "api" depends on "b", which is disabled', "enable it"),
        (
            "web[0].dependencies[1]",
            'the service "api" depends on "cc", which is no service of this app',
            'did you mean "c"? known ids: b, c',
        ),
    ]


def test_dependency_cycle(problem: Any) -> None:
    services = root(
        {**API, "dependencies": ["b"]},
        {"id": "b", "path": "b", "dependencies": "c"},
        {"id": "c", "path": "c", "dependencies": ["api"]},
    )
    found = problem({"watt.json": services, **FILES})
    assert "services wait for each other: " in found.message
    ring = found.message.partition(": ")[2].split(" -> ")
    assert ring[0] == ring[-1]
    assert dict(pairwise(ring)) == {"api": "b", "b": "c", "c": "api"}
    assert found.key.endswith(".dependencies")


def test_problems_of_all_files_come_at_once(app: Any) -> None:
    files = {
        "watt.json": root(API, {"id": "b", "path": "b", "workers": "x"}, server={"port": "{PORT}"}, entrypoint="z"),
        "api/platformatic.json": {"type": "python", "size": "{SIZE}", "name": 5},
        "b/platformatic.json": {"type": "python", "nam": "x"},
        **FILES,
    }
    assert [(problem.file, problem.key) for problem in app.problems(files)] == [
        ("watt.json", "server.port"),
        ("watt.json", "web[1].workers"),
        ("api/platformatic.json", "size"),
        ("api/platformatic.json", "name"),
        ("b/platformatic.json", "nam"),
        ("watt.json", "entrypoint"),
    ]


def test_options_that_a_type_refuses(problem: Any) -> None:
    assert problem(service(name="refused")) == Problem(
        message="that name is taken",
        file="api/platformatic.json",
        line=3,
        key="name",
        hint="choose another name",
    )


@pytest.mark.parametrize("document", [{"web": []}, {"entrypoint": "a", "web": []}])
def test_no_services(app: Any, document: dict[str, Any]) -> None:
    assert "the app has no services" in [problem.message for problem in app.problems({"watt.json": document})]


def test_every_service_disabled(problem: Any) -> None:
    found = problem({"watt.json": root({**API, "enabled": False}), **FILES})
    assert found.message == "every service is disabled"


def test_service_with_the_id_of_the_embedded_broker(problem: Any) -> None:
    services = root(API, {"id": "kafka-broker", "path": "b"})
    found = problem({"watt.json": services, **FILES}, {"KAFKA_BROKERS": "embedded"})
    assert (found.key, found.line) == ("web[1].id", 8)
    assert 'two services have the id "kafka-broker"' in found.message


def test_env_file_that_is_not_there(app: Any, problem: Any) -> None:
    files = {"watt.json": root(envfile="prod.env"), **FILES}
    found = problem(files)
    assert (found.file, found.key, found.message) == ("watt.json", "envfile", "there is no env file prod.env")
    files = {"watt.json": root({**API, "envfile": "api.env"}), **FILES}
    assert problem(files).key == "web[0].envfile"
    assert problem({"watt.json": root(), **FILES}, env_file=app.path / "x.env").message == "there is no env file x.env"


@pytest.mark.parametrize(
    ("line", "message", "hint"),
    [
        ("B='x", "has a value that begins with ' and does not end with it", "write ' at its end"),
        ('export B="x', 'has a value that begins with " and does not end with it', 'write " at its end'),
        ("=x", "is not a line of the form NAME=value", "write one, or put # in front of a comment"),
        ("B=x\0", "has a NUL character, which no variable can have", "remove it"),
    ],
)
def test_env_file_with_a_bad_line(problem: Any, line: str, message: str, hint: str) -> None:
    found = problem({"watt.json": root(), ".env": f"A=1\n{line}\n", **FILES})
    assert (found.file, found.line, found.message, found.hint) == (".env", 2, message, hint)


def test_autoload_mistakes(app: Any) -> None:
    assert app.problems({"watt.json": {"autoload": {"path": "nope"}}})[0].message == "there is no folder nope"
    autoload = {"path": "all", "mappings": {"zz": {"id": "z"}}}
    files = {"watt.json": {"autoload": autoload}, "all/Big/app.py": "", "all/x/app.py": ""}
    messages = [problem.message for problem in app.problems(files)]
    assert messages[0].startswith('the folder name "Big" cannot be an id')
    assert messages[1] == "there is no folder all/zz"


def test_line_in_toml_and_json5_where_it_is_certain(app: Any) -> None:
    toml = '[server]\nprot = 1\n[[web]]\nid = "a"\npath = "api"\n[[web]]\nid = "a"\npath = "b"\n'
    assert [(problem.key, problem.line) for problem in app.problems({"watt.toml": toml, **FILES})] == [
        ("server.prot", 2),
        ("web[1].id", 0),
    ]
    json5 = "{\n web: [{id: 'api', path: 'api'}],\n server: {\n  'prot': 1}}"
    (app.path / "watt.toml").unlink()
    assert [problem.line for problem in app.problems({"watt.json5": json5})] == [4]


@pytest.mark.parametrize(
    ("keys", "key", "message"),
    [
        ({"runtime": 5}, "runtime", "must be an object, found 5"),
        ({"logger": None}, "logger", "must be an object, found null"),
        ({"server": []}, "server", "must be an object, found an empty list"),
        ({"env": {"A": None}}, "env.A", "must be text without NUL, a number or true or false, found null"),
        ({"server": {"port": 70000}}, "server.port", "must be at most 65535, found 70000"),
        ({"server": {"hostname": ""}}, "server.hostname", 'must not be empty, found ""'),
        ({"autoload": {}}, "autoload.path", "is missing"),
        ({"startTimeout": -1}, "startTimeout", "must be at least 0, found -1"),
    ],
)
def test_wrong_value_in_the_root_file(problem: Any, keys: dict[str, Any], key: str, message: str) -> None:
    found = problem({"watt.json": root(**keys), **FILES})
    assert (found.file, found.key, found.message) == ("watt.json", key, message)


@pytest.mark.parametrize("value", [{"api": API}, None, "api", [5]])
def test_list_of_services_that_is_none(app: Any, value: Any) -> None:
    first, *_ = app.problems({"watt.json": {"web": value}})
    assert first.key == ("web[0]" if isinstance(value, list) else "web")
    assert first.message.startswith("must be ")


@pytest.mark.parametrize(
    ("env", "level"),
    [
        ({"LEVEL": "amqp://u:s3cret/x@h"}, "{LEVEL}"),
        ({"MY_JWT": "s3cret"}, "{MY_JWT}"),
        ({"A": '{"password": "s3cret"}'}, "{A}"),
        ({}, "postgres://u:s3cret x@h"),
    ],
)
def test_a_value_that_is_shown_has_no_secret_in_it(app: Any, env: dict[str, str], level: str) -> None:
    problems = app.problems({"watt.json": root(logger={"level": level}), **FILES}, env)
    assert problems
    for problem in problems:
        assert "s3cret" not in f"{problem.message} {problem.hint}"
