"""Creates or extends the `.env` of an app (pure)."""

from __future__ import annotations

import re
from collections.abc import Mapping

from pywatt.scaffold.app_plan import BROKERS_VARIABLE, KAFKA_HOOKS, AppPlan
from pywatt.scaffold.config_documents import EVENTS_URL, TOPIC
from pywatt.scaffold.file_changes import append_lines

ROOT_VARIABLES = {"PLT_SERVER_HOSTNAME": "127.0.0.1", "PORT": "3042", "PLT_SERVER_LOGGER_LEVEL": "info"}
_COMMENTS = {
    "PLT_SERVER_HOSTNAME": "Where the app listens.",
    BROKERS_VARIABLE: '"embedded" is a broker inside the app, in memory, for trying out. Or a real one: a:9092,b:9092',
    EVENTS_URL: "Where records of the topic events are delivered.",
}
_VARIABLE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)


def variables(app: AppPlan) -> dict[str, str]:
    """Return the variables used in the files of the new services."""
    needed = dict(ROOT_VARIABLES) if app.present is None else {}
    if any(service.template.kind == KAFKA_HOOKS for service in app.new_services):
        needed[BROKERS_VARIABLE] = "embedded"
        if app.event_target() is None:
            needed[EVENTS_URL] = f"{_event_service(app)}/{TOPIC}"
    return needed


def env_text(text: str, needed: Mapping[str, str]) -> str:
    """Return an env file with the variables that it lacks."""
    there = set(_VARIABLE.findall(text))
    added: list[str] = []
    for name, value in needed.items():
        if name not in there:
            added += [*([f"# {_COMMENTS[name]}"] if name in _COMMENTS else []), f"{name}={value}"]
    return append_lines(text, added)


def _event_service(app: AppPlan) -> str:
    """Return the address of a service that may take records: an existing python service, else a placeholder."""
    services = app.present.services if app.present else ()
    found = next((service.id for service in services if service.type == "python"), None)
    return f"http://{found}.plt.local" if found else "http://127.0.0.1:3000"
