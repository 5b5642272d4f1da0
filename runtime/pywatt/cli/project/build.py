"""`pywatt build`: run the build command of every service that has one."""

from __future__ import annotations

import os
import shlex
import shutil
import string
import subprocess
import sys
from pathlib import Path
from typing import TextIO

import click

from pywatt.cli.arguments.config_options import config_option, env_file_option
from pywatt.cli.output.table import counted, json_option, print_json
from pywatt.config.model import BuildCommand, RuntimeConfig, ServiceConfig
from pywatt.config.pipeline import load
from pywatt.errors import BuildFailed


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@config_option
@env_file_option
@json_option
def build(directory: Path | None, config: Path | None, env_file: Path | None, as_json: bool) -> None:
    """Build the services of the app in DIRECTORY (default: here), one after the other."""
    app = load(directory, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file)
    # What the builds print is for people: it must not come between a program and its JSON.
    built = _build(app, sys.stderr if as_json else sys.stdout)
    services = [service for service in app.services if not service.internal]
    if as_json:
        print_json({"built": built, "services": len(services)})
    elif built:
        click.echo(f"built {len(built)} of {counted(len(services), 'service')}")
    else:
        click.echo("nothing to build: no service has a build command (command.build)")


def _build(app: RuntimeConfig, output: TextIO) -> list[str]:
    """Run every build command, until one fails; return the services that had one. Raises BuildFailed."""
    services = [(service, service.build) for service in app.services if service.build]
    for service, command in services:
        _run(service, command, output)
    return [service.id for service, _ in services]


def _run(service: ServiceConfig, command: BuildCommand, output: TextIO) -> None:
    words = list(command.words)
    if command.expands:
        words = [string.Template(word).safe_substitute(service.env) for word in words]
    line = shlex.join(words)
    click.echo(f"{service.id}: {line}", file=output)
    output.flush()
    path = service.env.get("PATH", os.defpath)
    # What is a path is one in the service's folder; everything else is looked up as a shell would.
    named = str(service.path / words[0]) if "/" in words[0] else words[0]
    executable = shutil.which(named, path=path)
    if executable is None:
        place = "" if "/" in words[0] else f" or on PATH ({path})"
        raise BuildFailed(
            f"{service.id}: no program {words[0]!r} in {service.path}{place}",
            hint="correct command.build, or install the program",
        )
    try:
        status = subprocess.run(
            words,
            executable=executable,
            cwd=service.path,
            env=service.env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            check=False,
        ).returncode
    except OSError as error:
        raise BuildFailed(f"{service.id}: cannot run {executable}: {error.strerror}") from error
    if status:
        how = f"ended with status {status}" if status > 0 else f"was ended by signal {-status}"
        raise BuildFailed(f"{service.id}: the build failed: {line} {how}", hint=f"its output is above; {service.path}")
