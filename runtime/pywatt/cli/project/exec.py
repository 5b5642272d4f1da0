"""`pywatt exec`: a command in a service's folder and environment, such as `manage.py migrate`."""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from pathlib import Path

import click

from pywatt.config.overrides import Overrides
from pywatt.control.client import ControlClient
from pywatt.control.discovery import implied, running
from pywatt.errors import ControlError
from pywatt.worker.process.other_interpreter import environment


@click.command("exec", context_settings={"ignore_unknown_options": True, "allow_interspersed_args": False})
@click.argument("service")
@click.argument("command", nargs=-1, required=True, type=click.UNPROCESSED)
def exec_(service: str, command: tuple[str, ...]) -> int:
    """Run COMMAND as SERVICE of the app of this folder would be: in its folder, with its variables and its Python.

    \b
    pywatt exec api -- python manage.py migrate

    While the app runs, the command also gets the addresses of the other services (PLT_<ID>_URL).
    """
    from pywatt.config.pipeline import load

    command = command[1:] if command[0] == "--" else command
    if not command:
        raise click.UsageError("which command?")

    # A service that is named is read whatever its profiles are.
    found = load(None, cwd=Path.cwd(), environ=os.environ, overrides=Overrides(services=(service,))).service(service)
    env = {**found.env, **_live(service)}
    env = environment(env, found.interpreter or Path(sys.executable))
    env["PWD"] = str(found.path)
    os.chdir(found.path)
    sys.stdout.flush()
    try:
        os.execvpe(command[0], command, env)  # noqa: S606 - the user's own program
    except FileNotFoundError:
        hint = "correct the name, install the program, or give the path of one, such as ./manage.py"
        raise ControlError(f'there is no program "{command[0]}" in {found.path} or on the PATH', hint=hint) from None
    except OSError as error:
        hint = "give it an interpreter, as in `python FILE`, or make it executable: chmod +x FILE"
        raise ControlError(f'"{command[0]}" cannot be run: {error.strerror}', hint=hint) from error


def _live(service: str) -> Mapping[str, str]:
    """Return the variables of the workers of the running app; empty if it does not run."""
    apps = [app for app in implied(running(), Path.cwd(), guess=False) if app.ready]
    if len(apps) != 1:
        return {}
    try:
        env: Mapping[str, str] = ControlClient(apps[0]).get("services", service, "env", secrets="true")["env"]
    except ControlError as error:
        click.echo(f"warning: the running app is not asked: {error.message}", err=True)
        return {}
    return env
