"""Checks that the program of a command service exists, without running it."""

from __future__ import annotations

import os
import shutil
import string
from collections.abc import Iterator

from pywatt.config.model import ServiceConfig
from pywatt.errors import Problem
from pywatt_services.command.options import CommandOptions


def missing_program(options: CommandOptions, service: ServiceConfig) -> Iterator[Problem]:
    """Yield a problem when there is no such program."""
    env = {**service.env, **options.env}
    program = string.Template(options.run[0]).safe_substitute(env) if options.expands else options.run[0]
    path = env.get("PATH", os.defpath)
    if "$" in program or shutil.which(str(service.path / program) if "/" in program else program, path=path):
        return
    where = str(service.path) if "/" in program else f"the folders of PATH ({path})"
    yield Problem(
        message=f"there is no program {program!r} in {where}",
        key="command",
        hint="correct the command, or install the program",
    )
