"""The block `plugins` of the root file and of services."""

from __future__ import annotations

import json
from typing import Any

from harness.user_document import LAG_PLUGIN

from pywatt.config.overrides import Overrides

PACKAGE = "@platformatic/watt-plugin-kafka-health"
LAG: dict[str, Any] = {"brokers": ["a:9092"], "groupId": "g"}
API = {"web/api/app.py": ""}


def plugin(**options: Any) -> dict[str, Any]:
    return {"package": PACKAGE, "options": {**LAG, **options}}


def root(*plugins: Any, **more: Any) -> dict[str, Any]:
    return {"web": [{"id": "api", "path": "web/api"}], "plugins": list(plugins), **more}


def test_the_documents_block_is_a_service_behind_the_entrypoint(app: Any) -> None:
    document = {"web": [{"id": "api", "path": "web/api"}], **json.loads(LAG_PLUGIN)}
    config = app.load({**API, "watt.json": document}, {"KAFKA_BROKERS": "a:9092,b:9092"})
    assert config.warnings == ()
    health, gateway = config.service("health"), config.service("gateway")
    assert (health.internal, gateway.internal, config.entrypoint) == (True, True, "gateway")
    assert (health.options["path"], health.options["shadowed"]) == ("/health", "api")
    (block,) = health.options["plugins"]
    assert block["options"]["brokers"] == ["a:9092", "b:9092"]
    assert gateway.options == {"gateway": {"applications": [{"id": "api", "proxy": {"prefix": "/"}}]}}
    assert gateway.calls == ("api", "health")
    assert (health.public_path, config.service("api").public_path) == ("/health", "/")


def test_gateway_of_the_user_leads_to_it(app: Any) -> None:
    document = root(plugin(), entrypoint="edge")
    document["web"].append({"id": "edge", "path": "web/edge"})
    config = app.load({**API, "watt.json": document, "web/edge/watt.json": {"type": "gateway"}})
    assert [service.id for service in config.services] == ["api", "edge", "health"]
    assert (config.entrypoint, config.service("health").public_path) == ("edge", "/health")
    assert "health" in config.service("edge").calls


def test_blocks_of_root_and_services_are_one_service(app: Any) -> None:
    own = {"type": "python", "plugins": [plugin(groupId="of-api")]}
    document = root(plugin(), runtime={"plugins": [plugin(groupId="of-runtime", path="/lag")]})
    config = app.load({**API, "watt.json": document, "web/api/watt.json": own})
    blocks = config.service("health").options["plugins"]
    assert [block["options"]["groupId"] for block in blocks] == ["g", "of-runtime", "of-api"]


def test_health_service_of_the_user_takes_them(app: Any) -> None:
    document = root(plugin())
    document["web"].append({"id": "state", "path": "web/state"})
    files = {"watt.json": document, "web/state/watt.json": {"type": "health", "plugins": [plugin(groupId="own")]}}
    config = app.load({**API, **files})
    blocks = config.service("state").options["plugins"]
    assert [block["options"]["groupId"] for block in blocks] == ["own", "g"]
    assert "health" not in [service.id for service in config.services]


def test_app_without_an_entrypoint_gets_the_plugin_as_one(app: Any) -> None:
    document = root(plugin())
    document["web"].append({"id": "other", "path": "web/other"})
    config = app.load({**API, "web/other/app.py": "", "watt.json": document})
    assert config.entrypoint == "health"


def test_start_of_one_service_keeps_the_plugin(app: Any) -> None:
    document = root(plugin(), entrypoint="api")
    document["web"].append({"id": "other", "path": "web/other"})
    files = {**API, "web/other/app.py": "", "watt.json": document}
    config = app.load(files, overrides=Overrides(services=("api",)))
    assert {service.id for service in config.services} == {"api", "health", "gateway"}
    assert config.entrypoint == "gateway"


def test_invalid_options_are_reported_where_they_are(app: Any) -> None:
    options = {"brokers": ["a:1"], "groupId": "g", "lagThreshold": "many", "checkIntervall": 5}
    problems = app.problems({**API, "watt.json": root({"package": PACKAGE, "options": options})})
    assert [(each.file, each.key) for each in problems] == [
        ("watt.json", "plugins[0].options.lagThreshold"),
        ("watt.json", "plugins[0].options.checkIntervall"),
    ]
    assert "checkInterval" in problems[1].hint
    assert all(each.line for each in problems)


def test_missing_group_of_a_service_is_reported_in_its_file(app: Any) -> None:
    own = {"type": "python", "plugins": [{"package": PACKAGE, "options": {"brokers": ["a:1"]}}]}
    (problem,) = app.problems({**API, "watt.json": root(plugin()), "web/api/watt.json": own})
    assert (problem.file, problem.key) == ("web/api/watt.json", "plugins[0].options.groupId")
    assert problem.hint


def test_other_plugins_do_nothing_and_say_so(app: Any) -> None:
    config = app.load({**API, "watt.json": root({"package": "@platformatic/other", "options": {"a": 1}})})
    assert config.warnings == ("watt.json: plugins[0] does nothing: pywatt has no plugin @platformatic/other",)
    assert [service.id for service in config.services] == ["api"]
