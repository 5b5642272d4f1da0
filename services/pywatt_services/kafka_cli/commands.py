"""The command group `pywatt kafka`; a command is imported when it is used, so that `pywatt --help` stays fast."""

from __future__ import annotations

import importlib

import click

_COMMANDS = {
    "consume": "records.consume",
    "dlq": "dlq",
    "groups": "groups",
    "lag": "lag",
    "produce": "records.produce",
    "reset": "reset",
    "start": "broker",
    "topics": "topics",
    "why": "lag_explanation",
}
"""The module of each command."""


class _LazyGroup(click.Group):
    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted(_COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in _COMMANDS:
            return None
        module = importlib.import_module(f"pywatt_services.kafka_cli.{_COMMANDS[cmd_name]}")
        command = getattr(module, cmd_name)
        assert isinstance(command, click.Command)
        return command


@click.group(cls=_LazyGroup)
def kafka() -> None:
    """Run a Kafka broker for development; read, write and manage topics, groups and dead letters."""
