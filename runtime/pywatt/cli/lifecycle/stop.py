"""`pywatt stop`: end a running app."""

from __future__ import annotations

import os
import select
import signal
from collections.abc import Sequence
from contextlib import suppress

import click

from pywatt.cli.arguments import name_completion
from pywatt.cli.arguments.selection import ACTING_ID_HELP, find_app, find_services
from pywatt.cli.output.table import json_option, print_json
from pywatt.control.client import ControlClient
from pywatt.errors import ControlError, NotKnown
from pywatt.procfs import start_ticks

ASK_SECONDS = 2.0
"""Seconds after which an app whose control API does not answer is sent SIGTERM."""
DEFAULT_SECONDS = 60.0


@click.command(epilog=ACTING_ID_HELP)
@click.argument("words", metavar="[ID] [SERVICE]...", nargs=-1, shell_complete=name_completion.services)
@click.option("-t", "--timeout", default=DEFAULT_SECONDS, show_default=True, help="Seconds to wait for its end.")
@json_option
def stop(words: tuple[str, ...], timeout: float, as_json: bool) -> None:
    """Stop a running app gracefully and wait until it is gone; or only SERVICEs, until `pywatt start SERVICE`."""
    client, services = _target(words)
    if services:
        stopped = client.post("stop", timeout=timeout, services=services)["stopped"]
        if as_json:
            print_json({"stopped": stopped})
        else:
            click.echo(f"Stopped {', '.join(stopped)}." if stopped else "Stopped before.")
        return
    runtime = client.runtime
    try:
        process = os.pidfd_open(runtime.pid)
    except ProcessLookupError:
        raise ControlError(f'the app "{runtime.name}" (pid {runtime.pid}) has just ended') from None
    try:
        if start_ticks(runtime.pid) == runtime.ticks:
            _ask(client, process)
        poll = select.poll()
        poll.register(process, select.POLLIN)
        if not poll.poll(timeout * 1000):
            hint = f"end it at once with: kill -KILL {runtime.pid}"
            raise ControlError(
                f'the app "{runtime.name}" (pid {runtime.pid}) still runs after {timeout:g} s', hint=hint
            )
    finally:
        os.close(process)
    if as_json:
        print_json({"stopped": runtime.pid})
    else:
        click.echo(f'Stopped "{runtime.name}" (pid {runtime.pid}).')


def _target(words: Sequence[str]) -> tuple[ControlClient, Sequence[str]]:
    """Return the selected app and services. An app that cannot list its services can still be stopped."""
    if not words or (words[0].isdecimal() and len(words) == 1):
        return find_app(words[0] if words else None, guess=False), ()
    try:
        selection = find_services(words, guess=False)
    except NotKnown:
        raise
    except ControlError:
        if len(words) > 1:
            raise
        return find_app(words[0] if words else None, guess=False), ()
    return selection.client, [row["id"] for row in selection.rows] if selection.named else ()


def _ask(client: ControlClient, process: int) -> None:
    try:
        client.post("stop", timeout=ASK_SECONDS)
    except ControlError:
        # It is starting, or its control API is not well: the signal means the same.
        with suppress(ProcessLookupError):
            signal.pidfd_send_signal(process, signal.SIGTERM)
