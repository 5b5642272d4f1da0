"""`pywatt completion`: the script with which a shell completes pywatt's commands and options."""

from __future__ import annotations

import click
from click.shell_completion import get_completion_class

_SETUP = {
    "bash": 'eval "$(pywatt completion bash)"     in ~/.bashrc',
    "zsh": 'eval "$(pywatt completion zsh)"      in ~/.zshrc',
    "fish": "pywatt completion fish | source      in ~/.config/fish/config.fish",
}


@click.command(epilog="\b\nSet it up with this line:\n" + "\n".join(f"  {line}" for line in _SETUP.values()))
@click.argument("shell", type=click.Choice(list(_SETUP)))
@click.pass_context
def completion(context: click.Context, shell: str) -> None:
    """Print the completion script for SHELL."""
    completer = get_completion_class(shell)
    assert completer is not None
    group = context.find_root().command
    click.echo(completer(group, {}, "pywatt", "_PYWATT_COMPLETE").source())
