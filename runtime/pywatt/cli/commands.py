"""The command group: built-in commands and those of the entry-point group `pywatt.commands`, imported on use."""

from __future__ import annotations

import importlib
import os
from collections.abc import Sequence
from importlib.metadata import EntryPoint, entry_points

import click
from click.exceptions import NoArgsIsHelpError

from pywatt import __version__
from pywatt.errors import EXIT_FAILURE, PywattError

_COMMANDS = {
    "build": ("pywatt.cli.project.build", "Run the build commands of the services."),
    "completion": ("pywatt.cli.completion_script", "Print the script with which a shell completes commands."),
    "config": ("pywatt.cli.inspection.config", "Show the configuration of a running app."),
    "create": ("pywatt.cli.project.create", "Make an app, or add a service to the one that is here."),
    "dashboard": ("pywatt.cli.inspection.dashboard", "Open the dashboard of a running app in the browser."),
    "dev": ("pywatt.cli.lifecycle.start", "Start the app for development."),
    "env": ("pywatt.cli.inspection.env", "Show the environment of a service."),
    "exec": ("pywatt.cli.project.exec", "Run a command in a service's folder and environment."),
    "inject": ("pywatt.cli.inspection.inject", "Send a request to a service, past the gateway."),
    "logs": ("pywatt.cli.inspection.logs", "Show the log of an app, also after its end."),
    "metrics": ("pywatt.cli.inspection.metrics", "Show what an app counts: requests, durations, lag, memory."),
    "profile": ("pywatt.cli.profile.command", "Record where a worker spends its time, or what holds its memory."),
    "ps": ("pywatt.cli.inspection.ps", "Show the apps that run."),
    "reload": ("pywatt.cli.lifecycle.reload", "Apply changed config files to a running app."),
    "repl": ("pywatt.cli.inspection.repl", "Open a Python prompt inside a running worker of a service."),
    "restart": ("pywatt.cli.lifecycle.restart", "Replace the workers of services, without a gap."),
    "scale": ("pywatt.cli.lifecycle.scale", "Run a service with another number of workers."),
    "schema": ("pywatt.cli.project.schema", "Print the JSON Schema of a config file."),
    "services": ("pywatt.cli.inspection.services", "Show the services of a running app."),
    "stack": ("pywatt.cli.inspection.stack", "Show what the workers of a service are doing."),
    "start": ("pywatt.cli.lifecycle.start", "Start the app for production."),
    "stop": ("pywatt.cli.lifecycle.stop", "Stop a running app."),
    "top": ("pywatt.cli.top.command", "Show rates, latency, lag, memory, CPU and errors of the services, live."),
    "validate": ("pywatt.cli.project.validate", "Check the app's config files without starting anything."),
}
_ALIASES = {"add": "create", "applications": "services", "init": "create"}
"""Aliases of commands in the original."""
ENTRY_POINT_GROUP = "pywatt.commands"
EXIT_USAGE = 2


class LazyGroup(click.Group):
    """A group that imports a command only when it is run, so that each command starts fast."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return sorted({*_COMMANDS, *(entry.name for entry in entry_points(group=ENTRY_POINT_GROUP))})

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        rows = [(name, text) for name, (_, text) in _COMMANDS.items()]
        rows += [(entry.name, _help_of(entry, formatter.width)) for entry in entry_points(group=ENTRY_POINT_GROUP)]
        with formatter.section("Commands"):
            formatter.write_dl(sorted(rows))

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        name, *_ = args
        if not (name.startswith("-") or ctx.resilient_parsing or self.get_command(ctx, name)):
            from pywatt.config.diagnostics.hints import closest_match  # only a mistake pays for this import

            near = closest_match(name, [*self.list_commands(ctx), *_ALIASES])
            ctx.fail(f'there is no command "{name}"' + (f'; did you mean "{near}"?' if near else ""))
        return super().resolve_command(ctx, args)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        cmd_name = _ALIASES.get(cmd_name, cmd_name)
        if cmd_name in _COMMANDS:
            module, _ = _COMMANDS[cmd_name]
            found_in = importlib.import_module(module)
            command = getattr(found_in, cmd_name, None) or getattr(found_in, f"{cmd_name}_")
        else:
            found = list(entry_points(group=ENTRY_POINT_GROUP, name=cmd_name))
            if not found:
                return None
            command = found[0].load()
        assert isinstance(command, click.Command)
        return command


def _help_of(entry: EntryPoint, width: int) -> str:
    try:
        command: click.Command = entry.load()
    except Exception as error:  # noqa: BLE001 - another package's fault must not take the help from the other commands
        return f"(cannot be loaded: {error})"
    return command.get_short_help_str(width)


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(__version__, "-V", "--version", message="%(version)s")
def pywatt() -> None:
    """Compose many services into one app: gateway, kafka-hooks, APIs and workers, in Python and beside it."""


def run(arguments: Sequence[str]) -> int:
    """Run a command line and return its exit status; errors are printed on standard error."""
    try:
        result = pywatt.main(args=list(arguments), prog_name="pywatt", standalone_mode=False)
    except PywattError as error:
        from pywatt.cli.output.errors import show_error

        show_error(error)
        return error.exit_status
    except NoArgsIsHelpError as error:
        error.show()
        return error.exit_code
    except click.ClickException as error:
        from pywatt.cli.output.errors import show_error
        from pywatt.cli.output.usage_errors import as_error

        show_error(as_error(error))
        return error.exit_code
    except click.Abort:
        return EXIT_USAGE
    except FileNotFoundError:
        if _has_working_directory():
            raise
        from pywatt.cli.output.errors import show_error

        show_error(PywattError("the working directory does not exist any more", hint="go to another one with cd"))
        return EXIT_FAILURE
    return result if isinstance(result, int) else 0


def _has_working_directory() -> bool:
    try:
        os.getcwd()
    except FileNotFoundError:
        return False
    return True
