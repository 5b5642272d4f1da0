"""One attempt at a webhook and its outcome."""

from __future__ import annotations

from dataclasses import dataclass
from http import HTTPStatus

from pywatt_services.kafka_hooks.wire.headers import RawHeaders


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """One attempt at a webhook and its outcome."""

    number: int
    """Number from 1."""
    requested_at: float
    """Seconds since 1970."""
    status: int | None
    """None: there was no answer, and `cause` says why."""
    cause: str = ""
    headers: RawHeaders = ()
    body: bytes = b""
    """The answer's, up to one byte more than a dead letter shows."""
    retry_after: float | None = None
    """Seconds for which the target asked to be left alone."""

    @property
    def outcome(self) -> str:
        """Outcome in words."""
        if self.status is None:
            return self.cause
        return f"the webhook answered {self.status} {self.phrase}".rstrip()

    @property
    def phrase(self) -> str:
        """Reason phrase of the status: empty for an unknown one, `Network Error` without a response."""
        if self.status is None:
            return "Network Error"
        try:
            return HTTPStatus(self.status).phrase
        except ValueError:
            return ""
