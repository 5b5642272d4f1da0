"""`pywatt validate`: check the app's config files without starting anything."""

from __future__ import annotations

import os
from pathlib import Path

import click

from pywatt.config import load


@click.command()
@click.argument("directory", required=False, type=click.Path(path_type=Path))
@click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="The root config file, instead of looking for one."
)
@click.option(
    "-e", "--env", "env_file", type=click.Path(path_type=Path), help="The file of variables, instead of .env."
)
def validate(directory: Path | None, config: Path | None, env_file: Path | None) -> None:
    """Check the config of the app in DIRECTORY (default: here)."""
    app = load(directory, cwd=Path.cwd(), environ=os.environ, config=config, env_file=env_file)
    for warning in app.warnings:
        click.echo(f"warning: {warning}", err=True)
    services = [service for service in app.services if not service.internal]
    click.echo(f"{app.file} is valid: {len(services)} services")
    for service in services:
        entry = " (entrypoint)" if service.id == app.entrypoint else ""
        click.echo(f"  {service.id}: {service.type}{entry}")
