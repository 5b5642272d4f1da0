"""Questions that `pywatt create` asks on a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import click

from pywatt.scaffold.catalogue import TEMPLATES, NewService, Template, id_problem, is_installed
from pywatt.scaffold.file_changes import FileChanges
from pywatt.scaffold.file_plan import FilePlan

_CHOICES = {str(number): template for number, template in enumerate(TEMPLATES, start=1)}


def ask_for_services(folder: Path, taken: Sequence[str], defaults: Sequence[NewService]) -> list[NewService]:
    """Ask for the services to make in an app, until the user wants no other. Raises click.Abort."""
    if taken:
        click.echo(f"The app in {folder} has the services {', '.join(taken)}.")
    else:
        click.echo(f"A new app in {folder}.")
    if defaults:
        spelled = " and ".join(f"{service.id} ({service.template.title})" for service in defaults)
        if click.confirm(f"Begin with {spelled}?", default=True):
            new_services = list(defaults)
            if not click.confirm("Another service?", default=False):
                return new_services
            return [*new_services, *_services([*taken, *(service.id for service in new_services)])]
    return _services(taken)


def confirm_overwriting(path: Path) -> bool:
    """Ask whether to overwrite a file of the user. Raises click.Abort."""
    return click.confirm(f"{path} is there already, with other content. Overwrite it?", default=False)


def confirm_writing(plan: FilePlan, changes: FileChanges) -> bool:
    """Show the files to write, and ask for confirmation. Raises click.Abort."""
    for word, files in (("create", changes.created), ("change", changes.changed), ("keep", changes.kept)):
        for file in files:
            click.echo(f"  {word} {file.path.relative_to(plan.app.folder)}")
    return click.confirm("Write that?", default=True)


def _services(taken: Sequence[str]) -> list[NewService]:
    for number, template in _CHOICES.items():
        missing = "" if is_installed(template) else "  (not installed here)"
        click.echo(f"  {number:>2}  {template.spelling:<17} {template.title}{missing}")
    new_services: list[NewService] = []
    while True:
        template = _CHOICES[click.prompt("Which", type=click.Choice(list(_CHOICES)), show_choices=False)]
        new_services.append(
            NewService(id=_id(template, [*taken, *(service.id for service in new_services)]), template=template)
        )
        if not click.confirm("Another service?", default=False):
            return new_services


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
