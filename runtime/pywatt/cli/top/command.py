"""`pywatt top`: live on a terminal; in a pipe, or with --once, the table once."""

from __future__ import annotations

import shutil
import threading
import time

import click

from pywatt import procfs
from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ID_HELP, find_app
from pywatt.cli.output.table import coloured, duration, json_option, print_json
from pywatt.cli.top.sampler import ErrorLog, Sampler, recent_errors
from pywatt.cli.top.screen import Screen, has_screen
from pywatt.cli.top.view import CHOICES, NOT_COUNTED, detail_lines, error_line, in_order, table_lines
from pywatt.control.client import ControlClient
from pywatt.errors import ControlError

ERRORS_ONCE = 5
_RED, _BOLD = "red", True


@click.command(epilog=ID_HELP)
@click.argument("wanted", metavar="[ID]", required=False, shell_complete=name_completion.apps)
@click.option("--once", is_flag=True, help="Print the table once, as in a pipe.")
@click.option("-s", "--sort", "order", type=click.Choice(CHOICES), default=CHOICES[0], show_default=True, help="By.")
@click.option(
    "-i",
    "--interval",
    type=click.FloatRange(0.1, 3600),
    default=2.0,
    show_default=True,
    help="Seconds between two readings.",
)
@click.option("-a", "--all", "show_all", is_flag=True, help="Show the services that pywatt starts by itself too.")
@json_option
def top(wanted: str | None, once: bool, order: str, interval: float, show_all: bool, as_json: bool) -> None:
    """Show the services of a running app, live: rates, latency, lag, memory, CPU, restarts, the last errors."""
    client = find_app(wanted, guess=True)
    sampler = Sampler(client, internal=show_all)
    sampler.take()
    if has_screen() and not once and not as_json:
        try:
            _Live(client, sampler, order, interval).run()
        except KeyboardInterrupt:
            return
        return
    time.sleep(interval)
    sampler.take()
    rows = in_order(sampler.figures(), order)
    if as_json:
        print_json([row.to_json() for row in rows])
        return
    for line in (*table_lines(rows, colour=coloured()), *detail_lines(rows)):
        click.echo(line)
    if not sampler.counting:
        click.echo(NOT_COUNTED)
    try:
        errors = [error_line(record) for record in recent_errors(client, ERRORS_ONCE)]
    except ControlError as error:  # the table has been shown; an app may keep no log
        click.echo(f"No errors can be shown: {error.message}.")
        return
    for line in ("", "Last errors:", *errors) if errors else ():
        click.echo(line)


class _Live:
    """The table that follows the app."""

    def __init__(self, client: ControlClient, sampler: Sampler, order: str, interval: float) -> None:
        self._client = client
        self._sampler = sampler
        self._order = order
        self._interval = interval
        self._rows = sampler.figures()
        self._problem = ""
        self._ended = False

    def run(self) -> None:
        """Show the app until `q`. Raises ControlError when the app has ended."""
        with Screen() as screen:
            errors = ErrorLog(self._client, screen.wake)
            errors.start()
            threading.Thread(target=self._sample, args=(screen,), name="readings", daemon=True).start()
            while not self._ended:
                screen.draw(self._lines(errors), self._last_line())
                for key in screen.wait():
                    if key == "q":
                        return
                    if key == "s":
                        self._order = CHOICES[(CHOICES.index(self._order) + 1) % len(CHOICES)]
        runtime = self._client.runtime
        raise ControlError(
            f'the app "{runtime.name}" (pid {runtime.pid}) has ended', hint="its log tells why: pywatt logs"
        )

    def _sample(self, screen: Screen) -> None:
        while not self._ended:
            time.sleep(self._interval)
            try:
                self._sampler.take()
                self._rows, self._problem = self._sampler.figures(), ""
            except ControlError as error:
                self._ended = procfs.has_ended(self._client.runtime.pid)
                self._problem = error.message
            screen.wake()

    def _lines(self, errors: ErrorLog) -> list[str]:
        runtime, colour = self._client.runtime, coloured()
        up = duration(time.time() - runtime.started / 1000)
        lines = [
            " · ".join(part for part in (f"{runtime.name} (pid {runtime.pid})", f"up {up}", runtime.url) if part),
            "",
            *table_lines(in_order(self._rows, self._order), colour=colour, columns=shutil.get_terminal_size().columns),
            *detail_lines(self._rows),
        ]
        if not self._sampler.counting:
            lines.append(NOT_COUNTED)
        if self._problem:
            lines += ["", click.style(self._problem, fg=_RED) if colour else self._problem]
        title = "Last errors" if errors.records else errors.problem or "No errors so far."
        lines += ["", click.style(title, bold=_BOLD) if colour else title]
        return [*lines, *(error_line(record) for record in reversed(list(errors.records)))]

    def _last_line(self) -> str:
        return f"by {self._order} · s next order · q quit"
