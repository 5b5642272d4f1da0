"""Completes words in a shell: names of apps, ids of services. Apps that do not answer at once are left out."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pywatt.control.client import ControlClient
from pywatt.control.discovery import implied, named, running
from pywatt.control.metadata import Runtime
from pywatt.errors import ControlError

QUICK_SECONDS = 1.0
ACTING = ("inject", "restart")
"""Commands that change a running app: the app must be named or be the app of the folder."""


def apps(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the names of the running apps."""
    return matching((runtime.name for runtime in running()), incomplete)


def services(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Return the ids of the selected app's services; for the first word also the names of the running apps."""
    words: Sequence[str] = context.params.get(parameter.name or "") or ()
    runtimes, cwd = running(), Path.cwd()
    guess = context.command.name not in ACTING
    if not words:
        return matching(
            [*_ids(implied(runtimes, cwd, guess=guess)), *(runtime.name for runtime in runtimes)], incomplete
        )
    ids = _ids(named(runtimes, words[0], cwd) or implied(runtimes, cwd, guess=guess))
    return matching([service_id for service_id in ids if service_id not in words], incomplete)


def matching(words: Iterable[str], incomplete: str) -> list[CompletionItem]:
    """Return the words that begin with the typed text."""
    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]


def _ids(runtimes: Sequence[Runtime]) -> list[str]:
    if len(runtimes) != 1:
        return []
    try:
        rows = ControlClient(runtimes[0]).services(timeout=QUICK_SECONDS)
    except ControlError:
        return []
    return [row["id"] for row in rows if not row["internal"]]
