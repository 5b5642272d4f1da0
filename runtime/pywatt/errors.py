"""Every error pywatt reports to its user.

    PywattError                  message, hint, exit status
    ├── ConfigError              one or more Problems in files the user wrote
    ├── StartError               a valid config that cannot run
    │   ├── AddressInUse         a listening address is taken
    │   └── ServiceFailed        a service ended, raised or never got ready while starting
    ├── BuildFailed              a service's build command failed
    ├── CreateRefused            `pywatt create` cannot make what it was asked for; nothing was written
    ├── MissingExtra             an optional dependency is not installed
    ├── NoHome                   the user has no home folder, and nothing says what to use instead
    ├── ControlError             a running app could not be found, or did not obey
    │   └── NotKnown             it has nothing by that name
    └── MeshError                a call between services failed
        ├── UnknownService       no such id in this app
        ├── ServiceUnavailable   no worker got ready within the waiting time
        ├── ConnectFailed        nothing was sent: safe to try another worker
        ├── ConnectionLost       the peer went away in the middle
        ├── CallTimeout          the caller's limit passed
        └── BadResponse          the peer does not speak HTTP/1.1

Only the command line turns them into text and an exit status.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

EXIT_FAILURE = 1
EXIT_CONFIG = 2


class PywattError(Exception):
    """Base of every error that pywatt raises on purpose."""

    exit_status: int = EXIT_FAILURE

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint


@dataclass(frozen=True, slots=True, kw_only=True)
class Problem:
    """One thing wrong in one place of one file, and what to do about it."""

    message: str
    file: str = ""
    line: int = 0
    key: str = ""
    hint: str = ""

    def __post_init__(self) -> None:
        """Hide secrets: a message may quote the user's text."""
        # Imported when there is a problem, so that an app without one does not pay for it.
        from pywatt.redaction import hide_in_text

        object.__setattr__(self, "message", hide_in_text(self.message))
        object.__setattr__(self, "hint", hide_in_text(self.hint))


class ConfigError(PywattError):
    """The app's files cannot be used as they are; `problems` lists all that was found."""

    exit_status = EXIT_CONFIG

    def __init__(self, problems: Sequence[Problem]) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = tuple(problems)


class StartError(PywattError):
    """The config is valid but the app cannot run."""


class AddressInUse(StartError):
    """A listening address is taken by another program."""


class ServiceFailed(StartError):
    """A service ended, raised or never got ready while the app was starting."""

    def __init__(self, service: str, message: str, *, output: Sequence[str] = (), hint: str = "") -> None:
        super().__init__(message, hint=hint)
        self.service = service
        self.output = tuple(output)


class BuildFailed(PywattError):
    """A service's build command failed, or cannot be run."""


class CreateRefused(PywattError):
    """`pywatt create` cannot make the app or service; nothing was written."""

    exit_status = EXIT_CONFIG


class MissingExtra(PywattError):
    """An optional dependency is not installed."""

    def __init__(self, package: str, extra: str, *, needed_by: str) -> None:
        super().__init__(f"{needed_by} needs the package {package}", hint=f"pip install 'pywatt[{extra}]'")


class NoHome(PywattError):
    """The user has no home folder, and nothing says what to use instead."""


class ControlError(PywattError):
    """A running app could not be found, or did not carry out a command."""


class NotKnown(ControlError):
    """There is no app, service or schema by that name."""


class MeshError(PywattError):
    """A call between services failed."""


class UnknownService(MeshError):
    """No service of this app has that id."""


class ServiceUnavailable(MeshError):
    """No worker of the service became ready within the waiting time."""


class ConnectFailed(MeshError):
    """The connection could not be opened: nothing was sent, another worker may be tried."""


class ConnectionLost(MeshError):
    """The peer closed the connection before the exchange was complete."""


class CallTimeout(MeshError):
    """The caller's limit passed before the exchange was complete."""


class BadResponse(MeshError):
    """The peer answered with bytes that are not HTTP/1.1, or with too many of them."""

    def __init__(self, message: str, *, hint: str = "", status: int | None = None, start: bytes = b"") -> None:
        """`status`: the final status that the response begins with, if its status line could be read.

        `start`: the first bytes of a response whose head could not be read.
        """
        super().__init__(message, hint=hint)
        self.status = status
        self.start = start
