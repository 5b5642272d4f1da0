"""What a shell offers behind a command: names of apps, ids of services. What cannot be told at once is not offered."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import click
from click.shell_completion import CompletionItem

from pywatt.control.client import ControlClient
from pywatt.control.find import implied, named, running
from pywatt.control.runtime import Runtime
from pywatt.errors import ControlError

QUICK_SECONDS = 1.0
ACTING = ("inject", "restart")
"""Commands with services that act on an app: for these the app must be named or be that of the folder."""


def apps(_context: click.Context, _parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the names of the running apps."""
    return matching((runtime.name for runtime in running()), incomplete)


def services(context: click.Context, parameter: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Offer the ids of the app that is meant, and as the first word the names of the running apps too."""
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
    """Return the words that begin with what was typed."""
    return [CompletionItem(word) for word in dict.fromkeys(words) if word.startswith(incomplete)]


def _ids(runtimes: Sequence[Runtime]) -> list[str]:
    if len(runtimes) != 1:
        return []
    try:
        rows = ControlClient(runtimes[0]).services(timeout=QUICK_SECONDS)
    except ControlError:
        return []
    return [row["id"] for row in rows if not row["internal"]]
