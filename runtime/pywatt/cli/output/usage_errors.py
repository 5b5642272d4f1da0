"""Converts errors of click into pywatt's form: a problem and a fix."""

from __future__ import annotations

import click

from pywatt.errors import PywattError


def as_error(error: click.ClickException) -> PywattError:
    """Return an error of click as one of ours; a command of another package may give a `hint`."""
    message, _, rest = error.format_message().strip().partition("\n")
    hint = str(getattr(error, "hint", "")) or rest
    if isinstance(error, click.UsageError) and error.ctx is not None:
        context = error.ctx
        usage = " ".join(context.command.collect_usage_pieces(context))
        hint = f"{hint}; " if hint else ""
        hint += f"{context.command_path} {usage}  (more: {context.command_path} --help)"
    return PywattError(plain(message), hint=hint)


def plain(message: str) -> str:
    """Return a sentence of click in the style of pywatt's messages: no capital, no full stop (pure)."""
    first, second = message[:1], message[1:2]
    start = first.lower() if second.islower() or second == " " else first
    return f"{start}{message[1:]}".removesuffix(".")
