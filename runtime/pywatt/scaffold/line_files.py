"""Creates or extends files that are lists of lines: `.env`, `.gitignore`, requirements (pure)."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping, Sequence

from pywatt import __version__
from pywatt.scaffold.config_documents import EVENTS_URL, TOPIC
from pywatt.scaffold.layout import BROKERS_VARIABLE, KAFKA_HOOKS, Layout

IGNORED = (".env", ".venv/", "__pycache__/", "node_modules/", ".pywatt/*", "!.pywatt/schemas/")
"""Lines of a .gitignore. Of pywatt's own files in the app's folder, editors need the schemas."""
ROOT_VARIABLES = {"PLT_SERVER_HOSTNAME": "127.0.0.1", "PORT": "3042", "PLT_SERVER_LOGGER_LEVEL": "info"}
_COMMENTS = {
    "PLT_SERVER_HOSTNAME": "Where the app listens.",
    BROKERS_VARIABLE: '"embedded" is a broker inside the app, in memory, for trying out. Or a real one: a:9092,b:9092',
    EVENTS_URL: "Where records of the topic events are delivered.",
}
PINS = {
    "fastapi": ">=0.115,<1",
    "flask": ">=3.1,<4",
    "mypy": ">=1.15,<3",
    "pytest": ">=8.3,<10",
    "quart": ">=0.20,<1",
    "ruff": ">=0.9,<1",
    "starlette": ">=0.40,<2",
}
"""Version ranges of packages for a new app."""
_VARIABLE = re.compile(r"^(?:export\s+)?([A-Za-z_][A-Za-z0-9_]*)\s*=", re.MULTILINE)
_EXTRAS = re.compile(r"pywatt\[(.+)\]")


def variables(layout: Layout) -> dict[str, str]:
    """Return the variables used in the files of the new services."""
    needed = dict(ROOT_VARIABLES) if layout.present is None else {}
    if any(service.template.kind == KAFKA_HOOKS for service in layout.new_services):
        needed[BROKERS_VARIABLE] = "embedded"
        if layout.event_target() is None:
            needed[EVENTS_URL] = f"{_somebody(layout)}/{TOPIC}"
    return needed


def env_text(text: str, needed: Mapping[str, str]) -> str:
    """Return an env file with the variables that it lacks."""
    there = set(_VARIABLE.findall(text))
    added: list[str] = []
    for name, value in needed.items():
        if name not in there:
            added += [*([f"# {_COMMENTS[name]}"] if name in _COMMENTS else []), f"{name}={value}"]
    return _joined(text, added)


def ignore_text(text: str) -> str:
    """Return a .gitignore with the lines that it lacks."""
    there = {line.strip() for line in text.splitlines()}
    return _joined(text, [line for line in IGNORED if line not in there])


def requirements(layout: Layout) -> list[str]:
    """Return the requirements of the new services; pywatt once, with all its extras."""
    wanted = [line for service in layout.new_services for line in service.template.requirements]
    extras = sorted({found[1] for line in wanted if (found := _EXTRAS.fullmatch(line))})
    packages = sorted({line for line in wanted if not _EXTRAS.fullmatch(line)})
    own = [f"pywatt[{','.join(extras)}]=={__version__}"] if extras else [f"pywatt=={__version__}"]
    return [*(own if extras or layout.present is None else []), *map(pinned, packages)]


def pinned(package: str) -> str:
    """Return a line of a requirements file for a package."""
    return package + PINS.get(package, "")


def requirements_text(text: str, needed: Sequence[str]) -> str:
    """Return a requirements file with the lines that it lacks; a package listed with any version is kept."""
    named = {re.split(r"[\s<>=!~;@]", line.lower(), maxsplit=1)[0] for line in text.splitlines()}
    there = named | {name.partition("[")[0] for name in named} | set(text.lower().splitlines())
    return _joined(text, [line for line in needed if not {line.lower(), _package(line)} & there])


def undeclared(pyproject: str, needed: Sequence[str]) -> list[str]:
    """Return the packages missing from the dependencies of a project; empty if it declares no dependencies."""
    try:
        project = tomllib.loads(pyproject).get("project", {})
    except tomllib.TOMLDecodeError:
        return []
    if not isinstance(project, dict) or not isinstance(project.get("dependencies"), list):
        return []
    listed = "".join(f"{line}\n" for line in project["dependencies"])
    return requirements_text(listed, needed).removeprefix(listed).split()


def _package(line: str) -> str:
    return re.split(r"[<>=!~;@]", line.lower(), maxsplit=1)[0].strip()


def _somebody(layout: Layout) -> str:
    """Return the address of a service that may take records: an existing python service, else a placeholder."""
    services = layout.present.services if layout.present else ()
    found = next((service.id for service in services if service.type == "python"), None)
    return f"http://{found}.plt.local" if found else "http://127.0.0.1:3000"


def _joined(text: str, added: Iterable[str]) -> str:
    before = text if not text or text.endswith("\n") else f"{text}\n"
    return before + "".join(f"{line}\n" for line in added)
