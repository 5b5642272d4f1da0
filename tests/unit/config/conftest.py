"""A folder for an app, and service types that need only their schema."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

import pywatt_schemas
from pywatt.config.model import RuntimeConfig
from pywatt.config.pipeline import load
from pywatt.errors import ConfigError, Problem
from pywatt.service_type import Configured, OptionsError, Placement, ServiceContext, ServiceType

OPEN_SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "size": {"type": "integer", "minimum": 1},
        "ratio": {"type": "number"},
        "hosts": {"type": "array", "items": {"type": "string"}, "x-pywatt-split": ","},
        "secret": {"type": "string", "pattern": "^s"},
        "choice": {"anyOf": [{"type": "boolean"}, {"type": "object", "properties": {"deep": {"type": "integer"}}}]},
        "kind": {"enum": ["fast", "slow"]},
    },
    "additionalProperties": False,
}


@dataclass(frozen=True, slots=True, kw_only=True)
class FakeType:
    """A service type whose options are its document."""

    name: str
    schema: Mapping[str, Any] = field(default_factory=lambda: {"type": "object", "additionalProperties": False})
    aliases: tuple[str, ...] = ()
    preload: tuple[str, ...] = ()
    marker: str = ""

    def detect(self, folder: Path) -> bool:
        return bool(self.marker) and (folder / self.marker).is_file()

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        if document.get("name") == "refused":
            raise OptionsError(Problem(message="that name is taken", key="name", hint="choose another name"))
        if self.name == "gateway":
            calls = (*placement.services, *placement.routes.values())
            paths = {**dict.fromkeys(placement.services, "/"), **{it: at for at, it in placement.routes.items()}}
            return Configured(options=dict(document), calls=calls, public_paths=paths if placement.routes else {})
        return Configured(options=dict(document), needs_broker=document.get("hosts") == ["embedded"])

    async def serve(self, options: Any, context: ServiceContext) -> None:
        raise AssertionError("no service runs here")


@dataclass(frozen=True, slots=True, kw_only=True)
class FakePlugin(FakeType):
    """A service type that the block `plugins` may name."""

    def configure(self, document: Mapping[str, Any], placement: Placement) -> Configured:
        for index, plugin in enumerate(document.get("plugins", ())):
            if "groupId" not in plugin.get("options", {}):
                key = f"plugins.{index}.options.groupId"
                raise OptionsError(Problem(message="watching needs groupId", key=key, hint="name the group"))
        options = {**document, "path": placement.plugin_path, "shadowed": placement.shadowed}
        return Configured(options=options)

    def plugin_path(self, plugins: Sequence[Mapping[str, Any]]) -> str:
        return str(plugins[0].get("options", {}).get("path", "/health"))


def fake_types() -> dict[str, ServiceType]:
    types: list[ServiceType] = [
        FakeType(name="gateway", schema=pywatt_schemas.load("gateway"), aliases=("composer",)),
        FakePlugin(
            name="health",
            schema=pywatt_schemas.load("health"),
            aliases=("@platformatic/watt-plugin-kafka-health",),
        ),
        FakeType(name="kafka-broker"),
        FakeType(name="kafka-hooks", schema=pywatt_schemas.load("kafka-hooks")),
        FakeType(name="python", schema=OPEN_SCHEMA, aliases=("@platformatic/python",), marker="app.py"),
    ]
    return {service_type.name: service_type for service_type in types}


Files = Mapping[str, str | dict[str, Any]]


@dataclass(frozen=True, slots=True)
class AppFolder:
    """An app on disk."""

    path: Path

    def write(self, files: Files) -> None:
        for name, content in files.items():
            file = self.path / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))

    def load(self, files: Files, env: Mapping[str, str] | None = None, **options: Any) -> RuntimeConfig:
        """Write the files and load the app."""
        self.write(files)
        options = {"cwd": self.path, "types": fake_types(), **options}
        return load(environ=env or {}, **options)

    def problems(self, files: Files, env: Mapping[str, str] | None = None, **options: Any) -> list[Problem]:
        """Write the files, load the app and return its problems; file names are relative to the app."""
        with pytest.raises(ConfigError) as caught:
            self.load(files, env, **options)
        return [
            Problem(
                message=problem.message.replace(f"{self.path}/", ""),
                file=problem.file.removeprefix(f"{self.path}/"),
                line=problem.line,
                key=problem.key,
                hint=problem.hint.replace(f"{self.path}/", ""),
            )
            for problem in caught.value.problems
        ]


@pytest.fixture
def app(tmp_path: Path) -> AppFolder:
    return AppFolder(tmp_path)


@pytest.fixture
def problem(app: AppFolder) -> Callable[..., Problem]:
    """Return the one problem of an app."""

    def only(files: Files, env: Mapping[str, str] | None = None, **options: Any) -> Problem:
        problems = app.problems(files, env, **options)
        assert len(problems) == 1, problems
        return problems[0]

    return only
