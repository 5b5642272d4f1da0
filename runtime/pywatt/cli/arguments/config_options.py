"""The options of commands that read an app's files."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import click

config_option: Callable[[Any], Any] = click.option(
    "-c", "--config", type=click.Path(path_type=Path), help="The root config file, instead of looking for one."
)
env_file_option: Callable[[Any], Any] = click.option(
    "-e", "--env", "env_file", type=click.Path(path_type=Path), help="The file of variables, instead of .env."
)
