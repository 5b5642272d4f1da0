"""`pywatt profile`: where a worker of a service spends its time, or what holds its memory."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_service
from pywatt.cli.output.table import counted, json_option, print_json
from pywatt.cli.profile.stacks import size, write
from pywatt.errors import ControlError
from pywatt.profiling.output_file import form_of
from pywatt.profiling.py_spy import find_program, record
from pywatt.profiling.target import chosen, python_process

COMMAND = "command"
CPU, MEMORY = KINDS = ("cpu", "memory")


def _complete(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    kinds = name_completion.matching(KINDS, incomplete) if context.params.get(parameter.name or "") else []
    return [*name_completion.services(context, parameter, incomplete), *kinds]


@click.command(epilog=ID_HELP)
@click.argument("words", metavar="[ID] SERVICE [cpu|memory]", nargs=-1, required=True, shell_complete=_complete)
@click.option(
    "-s", "--seconds", type=click.IntRange(1, 86400), default=10, show_default=True, help="Length of the recording."
)
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="A flame graph (.svg), for speedscope (.json), or folded stacks (.txt).  [default: SERVICE-KIND.svg]",
)
@click.option("-w", "--worker", "slot", type=int, metavar="N", help="Of the service.  [default: the first ready one]")
@click.option("--idle", is_flag=True, help="cpu: record waiting threads too.")
@json_option
def profile(
    words: tuple[str, ...], seconds: int, output: Path | None, slot: int | None, idle: bool, as_json: bool
) -> None:
    """Record where a worker of SERVICE spends its time (cpu), or which code holds the memory that it takes (memory).

    Neither needs a change of its code or a restart.
    """
    named, kind = split_kind(words)
    program = find_program() if kind == CPU else ""
    client, row = find_service(named, guess=True)
    worker = chosen(row, slot)
    file = output or Path(f"{row['id']}-{kind}.svg")
    form = form_of(file)
    is_command = row["type"] == COMMAND
    if is_command and kind == MEMORY:
        hint = "record it with the tools of its language; `pywatt services` shows how much it has"
        raise ControlError(f'the service "{row["id"]}" runs a program of its own', hint=hint)
    pid = python_process(worker["pid"], below=is_command)
    who = f"worker {worker['slot']} of {row['id']} (pid {pid})"
    if sys.stderr.isatty() and not as_json:
        click.echo(f"Recording {who} for {seconds} s ...", err=True)
    if kind == MEMORY:
        stacks = client.post("services", row["id"], "profile", seconds=seconds, worker=worker["slot"])["stacks"]
        held = sum(count for _, count in stacks)
        file.write_text(write(stacks, form, f"{who}: held after {seconds} s"))
        if as_json:
            print_json({**place(file, row, worker, pid), "bytes": held})
            return
        click.echo(f"Wrote {file}: {size(held)} held of what {who} allocated; {form.value}.")
        return
    count = record(program, pid, who, seconds, form, file, idle=idle)
    if as_json:
        print_json({**place(file, row, worker, pid), "samples": count})
        return
    click.echo(f"Wrote {file}: {counted(count, 'sample')} of {who}; {form.value}.")


def place(file: Path, row: Mapping[str, Any], worker: Mapping[str, Any], pid: int) -> dict[str, Any]:
    """Return what was recorded, and where it is, as JSON."""
    return {"file": str(file), "service": row["id"], "worker": worker["slot"], "pid": pid}


def split_kind(words: Sequence[str]) -> tuple[Sequence[str], str]:
    """Return the words that name the service, and the kind of profile; a single word is a service's (pure)."""
    return (words[:-1], words[-1]) if len(words) > 1 and words[-1] in KINDS else (words, CPU)
