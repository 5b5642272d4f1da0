"""Asks an app that runs, through the other commands of `pywatt`: they know how."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import click

PREFIX = "KAFKA_"


def asked(name: str, *arguments: str) -> str | None:
    """Return what another command of the program prints; None when this program has no such command.

    Raises ClickException as that command does.
    """
    context = click.get_current_context(silent=True)
    root = context.find_root() if context is not None else None
    command = (
        root.command.get_command(root, name) if root is not None and isinstance(root.command, click.Group) else None
    )
    if command is None:
        return None
    printed = io.TextIOWrapper(io.BytesIO(), encoding="utf-8", write_through=True)
    with contextlib.redirect_stdout(printed):
        command.main(list(arguments), prog_name=name, standalone_mode=False)
    printed.seek(0)
    return printed.read()


def kafka_variables(folder: Path) -> Mapping[str, str]:
    """Return how the app that runs in this folder, or in one above it, reaches Kafka; nothing when there is none."""
    pid = _pid_of_app(folder)
    if pid is None:
        return {}
    services: list[dict[str, Any]] = json.loads(asked("services", pid, "--json") or "[]")
    # Whichever is asked, it has them; kafka-hooks may have more of its own.
    service = next((each for each in services if each["type"] == "kafka-hooks"), services[0])
    variables: dict[str, str] = json.loads(asked("env", pid, service["id"], "--json", "--secrets") or "{}")
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}


def dead_letter_topics(folder: Path) -> frozenset[str]:
    """Return the topics that the app around this folder has for dead letters; nothing when there is none."""
    services: list[dict[str, Any]] = []
    with contextlib.suppress(click.ClickException):  # it may have ended meanwhile: names say enough then
        if (pid := _pid_of_app(folder)) is not None:
            services = json.loads(asked("config", pid) or "{}")["services"]
    entries = [
        entry for service in services if service["type"] == "kafka-hooks" for entry in service["options"]["webhooks"]
    ]
    return frozenset(entry["dlq"] for entry in entries if entry["dlq"] is not None)


def _pid_of_app(folder: Path) -> str | None:
    """Return the pid of the app that runs in this folder or in one above it, of several that of the nearest."""
    apps: list[dict[str, Any]] = json.loads(asked("ps", "--json") or "[]")
    around = [app for app in apps if app["ready"] and folder.is_relative_to(app["root"])]
    return str(max(around, key=lambda app: len(app["root"]))["pid"]) if around else None
