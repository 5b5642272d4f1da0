"""Asks an app that runs, through the other commands of `pywatt`: they know how."""

from __future__ import annotations

import contextlib
import io

import click


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
