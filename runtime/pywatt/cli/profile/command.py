"""`pywatt profile`: where a worker of a service spends its time, as a flame graph or for speedscope."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click

from pywatt import procfs
from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_service
from pywatt.cli.output.table import counted, json_option, print_json
from pywatt.cli.profile.output_file import form_of
from pywatt.cli.profile.py_spy import find_program, record
from pywatt.errors import ControlError, NotKnown

READY = "ready"


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] SERVICE", nargs=-1, required=True, shell_complete=name_completion.services)
@click.option(
    "-s", "--seconds", type=click.IntRange(1, 86400), default=10, show_default=True, help="Ctrl-C ends it earlier."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A flame graph (.svg), for speedscope (.json), or folded stacks (.txt).  [default: SERVICE-cpu.svg]",
)
@click.option("-w", "--worker", "slot", type=int, metavar="N", help="Of the service.  [default: the first ready one]")
@click.option("--idle", is_flag=True, help="Record waiting threads too, not only those that use a processor.")
@json_option
def profile(
    words: tuple[str, ...], seconds: int, output: Path | None, slot: int | None, idle: bool, as_json: bool
) -> None:
    """Record where a worker of SERVICE spends its time, without a change of its code or a restart."""
    program = find_program()
    _, row = find_service(words, guess=True)
    worker = chosen(row, slot)
    file = output or Path(f"{row['id']}-cpu.svg")
    form = form_of(file)
    pid = python_process(worker["pid"])
    who = f"worker {worker['slot']} of {row['id']} (pid {pid})"
    if sys.stderr.isatty():
        click.echo(f"Recording {who} for {seconds} s; Ctrl-C ends it earlier.", err=True)
    count = record(program, pid, who, seconds, form, file, idle=idle)
    if as_json:
        print_json({"file": str(file), "service": row["id"], "worker": worker["slot"], "pid": pid, "samples": count})
        return
    click.echo(f"Wrote {file}: {counted(count, 'sample')} of {who}; {form.value}.")


def chosen(row: Mapping[str, Any], slot: int | None) -> Mapping[str, Any]:
    """Return the worker in this slot, or the first that is ready, of a service (pure). Raises ControlError."""
    workers: Sequence[Mapping[str, Any]] = [worker for worker in row["workers"] if worker["pid"] is not None]
    if not workers:
        hint = "`pywatt services` shows the states of all services"
        raise ControlError(f'no worker of the service "{row["id"]}" runs', hint=hint)
    if slot is None:
        return next((worker for worker in workers if worker["state"] == READY), workers[0])
    for worker in workers:
        if worker["slot"] == slot:
            return worker
    slots = ", ".join(str(worker["slot"]) for worker in workers)
    raise NotKnown(f'the service "{row["id"]}" has no worker {slot}', hint=f"its workers: {slots}")


def python_process(pid: int) -> int:
    """Return the first Python among a process and its descendants: a shell may have started it; else the process."""
    return next((each for each in procfs.tree(pid) if procfs.program(each).name.startswith("python")), pid)
