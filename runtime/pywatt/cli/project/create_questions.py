"""What `pywatt create` asks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from pywatt.scaffold.catalogue import TEMPLATES, Template, Wish, id_problem, is_installed
from pywatt.scaffold.files import Settled
from pywatt.scaffold.plan import Plan

_CHOICES = {str(number): template for number, template in enumerate(TEMPLATES, start=1)}


def wished_services(folder: Path, taken: Sequence[str], defaults: Sequence[Wish]) -> list[Wish]:
    """Ask for the services to make in an app, until the user wants no other. Raises click.Abort."""
    if taken:
        click.echo(f"The app in {folder} has the services {', '.join(taken)}.")
    else:
        click.echo(f"A new app in {folder}.")
    if defaults:
        spelled = " and ".join(f"{wish.id} ({wish.template.title})" for wish in defaults)
        if click.confirm(f"Begin with {spelled}?", default=True):
            wishes = list(defaults)
            if not click.confirm("Another service?", default=False):
                return wishes
            return [*wishes, *_services([*taken, *(wish.id for wish in wishes)])]
    return _services(taken)


def confirm_overwriting(path: Path) -> bool:
    """Ask whether a file of the user's is to be replaced. Raises click.Abort."""
    return click.confirm(f"{path} is there already, with other content. Overwrite it?", default=False)


def confirm_writing(plan: Plan, settled: Settled) -> bool:
    """Show what will be written, and ask whether it is to be. Raises click.Abort."""
    for word, files in (("create", settled.created), ("change", settled.changed), ("keep", settled.kept)):
        for file in files:
            click.echo(f"  {word} {file.path.relative_to(plan.layout.folder)}")
    return click.confirm("Write that?", default=True)


def _services(taken: Sequence[str]) -> list[Wish]:
    for number, template in _CHOICES.items():
        missing = "" if is_installed(template) else "  (not installed here)"
        click.echo(f"  {number:>2}  {template.spelling:<17} {template.title}{missing}")
    wishes: list[Wish] = []
    while True:
        template = _CHOICES[click.prompt("Which", type=click.Choice(list(_CHOICES)), show_choices=False)]
        wishes.append(Wish(id=_id(template, [*taken, *(wish.id for wish in wishes)]), template=template))
        if not click.confirm("Another service?", default=False):
            return wishes


def _id(template: Template, taken: Sequence[str]) -> str:
    numbered = (f"{template.default_id}-{number}" for number in range(2, len(taken) + 3))
    free = next(each for each in (template.default_id, *numbered) if each not in taken)

    def checked(text: str) -> str:
        problem = id_problem(text, taken)
        if problem:
            raise click.BadParameter(problem)
        return text

    answer: str = click.prompt("Its id", default=free, value_proc=checked)
    return answer
