"""The config files of a new app and of new services (pure)."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pywatt.scaffold.app_plan import KAFKA_HOOKS, AppPlan
from pywatt.scaffold.catalogue import NewService
from pywatt.scaffold.editor_schemas import FOLDER, ROOT_SCHEMA

TOPIC = "events"
EVENTS_URL = "EVENTS_URL"
"""Variable with the target of records if no new service of the app takes them."""
LAG_LIMIT = 1000
LINE_LENGTH = 80
_RUNTIME = """\
  "runtime": {
    "logger": { "level": "{PLT_SERVER_LOGGER_LEVEL}" },
    "server": { "hostname": "{PLT_SERVER_HOSTNAME}", "port": "{PORT}" }
  }"""


def root_text(app: AppPlan) -> str:
    """Return the root file of a new app, with each service on its own line."""
    lines = [f"    {one_line(entry(app, service))}" for service in app.new_services]
    blocks = [f'  "$schema": {json.dumps(f"./{FOLDER / ROOT_SCHEMA}.json")}']
    if app.entrypoint is not None:
        blocks.append(f'  "entrypoint": {json.dumps(app.entrypoint)}')
    blocks += ['  "web": [\n' + ",\n".join(lines) + "\n  ]", _RUNTIME]
    return "{\n" + ",\n".join(blocks) + "\n}\n"


def entry(app: AppPlan, service: NewService) -> dict[str, str]:
    """Return the entry of a new service in the root file."""
    return {"id": service.id, "path": app.path(service).relative_to(app.folder).as_posix()}


def route(service: NewService) -> dict[str, Any]:
    """Return the entry of a new service in a gateway's file."""
    return {"id": service.id, "proxy": {"prefix": f"/{service.id}"}}


def one_line(document: Mapping[str, Any]) -> str:
    """Return a small object on one line."""
    return f"{{ {json.dumps(document, ensure_ascii=False)[1:-1]} }}"


def service_text(app: AppPlan, service: NewService) -> str:
    """Return the config file of a new service."""
    schema = os.path.relpath(app.folder / FOLDER / f"{service.template.type}.json", app.path(service))
    document = {"$schema": Path(schema).as_posix(), "type": service.template.type, **_options(app, service)}
    return _pretty(document) + "\n"


def _options(app: AppPlan, service: NewService) -> dict[str, Any]:
    match service.template.spelling:
        case "worker":
            return {"python": {"module": "main:main"}}
        case "command:node":
            return {"command": {"run": "node server.js"}}
        case "command:shell":
            return {"command": {"run": "sh job.sh", "http": False}}
        case "gateway":
            routes = [{"id": service_id, "proxy": {"prefix": f"/{service_id}"}} for service_id in app.others]
            routes += [route(other) for other in app.new_services if other.template.http and other.id != service.id]
            return {"gateway": {"applications": routes}}
        case "kafka-hooks":
            target = app.event_target()
            url = f"http://{target}.plt.local/{TOPIC}" if target else f"{{{EVENTS_URL}}}"
            return {
                "brokers": ["{KAFKA_BROKERS}"],
                "topics": [{"topic": TOPIC, "url": url, "dlq": f"{TOPIC}-dlq"}],
                "consumer": {"groupId": _group(app, service)},
            }
        case "health":
            hooks = next((other for other in app.new_services if other.template.kind == KAFKA_HOOKS), None)
            if hooks is None:
                return {}
            lag = {"brokers": ["{KAFKA_BROKERS}"], "groupId": _group(app, hooks), "topics": {TOPIC: LAG_LIMIT}}
            return {"health": lag}
        case _:
            return {"python": {"module": "app:app"}}


def _group(app: AppPlan, hooks: NewService) -> str:
    return f"{app.name}-{hooks.id}"


def _pretty(value: Any, margin: str = "") -> str:
    """Return JSON in the style of a person: short objects and lists of plain values are on one line."""
    if not isinstance(value, (dict, list)) or not value:
        return json.dumps(value, ensure_ascii=False)
    inner = f"{margin}  "
    if isinstance(value, dict):
        parts = [f"{json.dumps(name)}: {_pretty(each, inner)}" for name, each in value.items()]
        opening, closing, space = "{", "}", " "
    else:
        parts, opening, closing, space = [_pretty(each, inner) for each in value], "[", "]", ""
    line = f"{opening}{space}{', '.join(parts)}{space}{closing}"
    if margin and "\n" not in line and len(margin) + len(line) <= LINE_LENGTH and not _is_list_of_objects(value):
        return line
    return f"{opening}\n{inner}" + f",\n{inner}".join(parts) + f"\n{margin}{closing}"


def _is_list_of_objects(value: Any) -> bool:
    return isinstance(value, list) and any(isinstance(each, dict) for each in value)
