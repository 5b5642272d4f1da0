"""`pywatt validate`: check the app's config files without starting anything."""

from __future__ import annotations

import os
from dataclasses import asdict
from pathlib import Path

import click

from pywatt.cli.arguments.config_options import config_option, env_file_option
from pywatt.cli.output.table import counted, json_option, print_json
from pywatt.config.pipeline import load
from pywatt.errors import ConfigError


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@config_option
@env_file_option
@json_option
def validate(directory: Path | None, config: Path | None, env_file: Path | None, as_json: bool) -> int:
    """Check the config of the app in DIRECTORY (default: here)."""
    try:
        app = load(directory, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file, preflight=True)
    except ConfigError as error:
        if not as_json:
            raise
        print_json({"valid": False, "problems": [asdict(problem) for problem in error.problems]})
        return error.exit_status
    if as_json:
        print_json(
            {
                "valid": True,
                "file": str(app.file),
                "entrypoint": app.entrypoint,
                "services": [{"id": one.id, "type": one.type} for one in app.services if not one.internal],
                "warnings": list(app.warnings),
            }
        )
        return 0
    for warning in app.warnings:
        click.echo(f"warning: {warning}", err=True)
    services = [service for service in app.services if not service.internal]
    click.echo(f"{app.file} is valid: {counted(len(services), 'service')}")
    for service in services:
        entry = " (entrypoint)" if service.id == app.entrypoint else ""
        click.echo(f"  {service.id}: {service.type}{entry}")
    return 0
