"""A group of commands of which one runs when none is named: `pywatt kafka topics` lists them."""

from __future__ import annotations

import click

DEFAULT = "list"
_HELP = ("-h", "--help")


class ListByDefaultGroup(click.Group):
    """A group whose command `list` is the default."""

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """Put the default command in front of options, and where there is nothing."""
        if not args or (args[0].startswith("-") and args[0] not in _HELP):
            args = [DEFAULT, *args]
        return super().parse_args(ctx, args)
