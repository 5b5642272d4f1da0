"""Decides what follows an attempt at a webhook: pure."""

from __future__ import annotations

import enum
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import TypeAlias

from pywatt.backoff import backoff

SUCCESS = range(200, 300)
"""Statuses that mean delivered. Redirects are not followed and count as failures, other than in the original."""

NETWORK_ERROR = "network_error"
RETRY_AFTER_LIMIT = 3600.0  # seconds that a target may ask for
LONGEST_DATE = 64  # bytes of a Retry-After that is a date
TROUBLE = frozenset({408, 429})  # statuses below 500 by which a target speaks of itself, not of the record
STATUSES = 1000


class StatusMeaning(enum.IntEnum):
    """Meaning of a status."""

    RETRY = 0
    SUCCESS = 1
    DROP = 2


@dataclass(frozen=True, slots=True)
class StatusRules:
    """The meaning of each status."""

    meanings: bytes = bytes(
        StatusMeaning.SUCCESS if status in SUCCESS else StatusMeaning.RETRY for status in range(STATUSES)
    )
    """Meanings by status."""

    def of(self, status: int) -> int:
        """Return the meaning of a status."""
        return self.meanings[status] if status < STATUSES else StatusMeaning.RETRY


def status_rules(listed: Iterable[tuple[StatusMeaning, Sequence[int | str]]]) -> StatusRules:
    """Return the rules for lists of statuses (404), classes ("4xx") and ranges ("500-504").

    The entry with the fewest statuses wins; unlisted ones keep their default. Raises ValueError.
    """
    said: list[tuple[int, range, StatusMeaning]] = []
    for meaning, entries in listed:
        said += ((len(statuses), statuses, meaning) for statuses in map(_statuses, entries))
    meanings = bytearray(StatusRules().meanings)
    decided: dict[int, tuple[int, StatusMeaning]] = {}
    for size, statuses, meaning in said:
        for status in statuses:
            before = decided.get(status)
            if before is not None and before[0] == size and before[1] is not meaning:
                raise ValueError(f"status {status} is listed as {before[1].name.lower()} and {meaning.name.lower()}")
            if before is None or size < before[0]:
                decided[status] = size, meaning
                meanings[status] = meaning
    return StatusRules(bytes(meanings))


def _statuses(entry: int | str) -> range:
    text = str(entry)
    if text.endswith("xx"):
        return range(int(text[0]) * 100, int(text[0]) * 100 + 100)
    first, _, last = text.partition("-")
    found = range(int(first), int(last or first) + 1)
    if not found:
        raise ValueError(f"{text} is a range that holds nothing")
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class RetryPolicy:
    """Number of attempts at a webhook, and delays between them. Original: `retries` (attempts in all), `retryDelay`."""

    attempts: int = 3
    delay: float = 1.0
    """Seconds after the first failed attempt."""
    factor: float = 1.0
    """Factor by which the delay grows with each further attempt; 1: it does not."""
    jitter: float = 0.0
    """Largest random reduction of a delay, from 0 to 1."""
    max_delay: float = 60.0
    """Limit of the growth."""
    respect_retry_after: bool = True
    """True if a Retry-After header delays the next attempt."""
    attempt_timeout: float = 30.0
    """Seconds for one attempt, the whole response included."""
    max_age: float | None = None
    """Seconds since the record's own time after which it is not tried again; None: no such limit."""
    rules: StatusRules = field(default_factory=StatusRules)
    topic: str | None = None
    """Topic in which a record waits for its next attempt; None: it waits in its place, with those behind it."""


@dataclass(frozen=True, slots=True)
class Retry:
    """Try again after a number of seconds."""

    after: float


@dataclass(frozen=True, slots=True)
class SendToDlq:
    """No further attempt; the reason in the original's words: `http_<status>` or `network_error`."""

    reason: str


@dataclass(frozen=True, slots=True)
class Postpone:
    """Try again from the retry topic, not before that moment (seconds since 1970)."""

    until: float


@dataclass(frozen=True, slots=True)
class Wait:
    """Try again where it is, not before that moment (seconds since 1970): an earlier worker's attempt failed."""

    until: float


Decision: TypeAlias = Retry | SendToDlq
Disposition: TypeAlias = SendToDlq | Postpone | Wait
"""The next step of a record that is not an attempt, or comes before it."""


def succeeded(status: int, policy: RetryPolicy) -> bool:
    """Tell whether a status means that the webhook took the record."""
    return policy.rules.of(status) == StatusMeaning.SUCCESS


def decide(
    status: int | None,
    attempt: int,
    policy: RetryPolicy,
    *,
    age: float = 0.0,
    retry_after: float | None = None,
    draw: float = 0.0,
) -> Decision:
    """Decide after the attempt with that number (from 1) failed, with `status` or, None, without a response.

    `age`: seconds since the record's own time. `retry_after`: seconds that the target asked for. `draw`: chance, from
    0 to 1.
    """
    if attempt >= policy.attempts or (status is not None and policy.rules.of(status) == StatusMeaning.DROP):
        return dead_letter_of(status)
    after = pause_after(attempt, policy) * (1 - policy.jitter * draw)
    return _in_time(status, max(after, asked_pause(policy, retry_after)), policy, age)


def decide_uncounted(
    status: int | None, policy: RetryPolicy, *, pause: float, age: float = 0.0, retry_after: float | None = None
) -> Decision:
    """Decide after an attempt that failed and does not count, as a breaker is open: only age ends the waiting.

    `pause`: seconds for which the breaker leaves the target alone.
    """
    return _in_time(status, max(pause, asked_pause(policy, retry_after)), policy, age)


def asked_pause(policy: RetryPolicy, retry_after: float | None) -> float:
    """Return the seconds by which Retry-After delays the next attempt."""
    return min(retry_after, RETRY_AFTER_LIMIT) if policy.respect_retry_after and retry_after is not None else 0.0


def _in_time(status: int | None, after: float, policy: RetryPolicy, age: float) -> Decision:
    if policy.max_age is not None and age + after > policy.max_age:
        return dead_letter_of(status)
    return Retry(after)


def longest_pause(policy: RetryPolicy) -> float:
    """Return the upper limit of all pauses, in seconds."""
    return max(policy.delay, policy.max_delay, RETRY_AFTER_LIMIT)


def pause_after(attempt: int, policy: RetryPolicy) -> float:
    """Return the seconds between that attempt and the next, without jitter."""
    longest = max(policy.delay, policy.max_delay)
    return backoff(attempt - 1, first=policy.delay, longest=longest, factor=policy.factor)


def dead_letter_of(status: int | None) -> SendToDlq:
    """Return the dead letter after a last attempt with that status, or without a response."""
    return SendToDlq(NETWORK_ERROR if status is None else f"http_{status}")


def is_trouble(status: int | None) -> bool:
    """Tell whether a status, or a missing response, shows that the target itself is in trouble."""
    return status is None or status >= 500 or status in TROUBLE


def retry_after(value: bytes, now: float) -> float | None:
    """Return the seconds that a Retry-After field asks for (RFC 9110 section 10.2.3); None for an invalid one.

    Larger values become RETRY_AFTER_LIMIT.
    """
    text = value.strip()
    if text.isdigit():
        digits = text.lstrip(b"0")
        return min(float(digits or b"0"), RETRY_AFTER_LIMIT) if len(digits) < LONGEST_DATE else RETRY_AFTER_LIMIT
    if len(text) > LONGEST_DATE:
        return None
    try:
        moment = parsedate_to_datetime(text.decode("latin-1"))
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        seconds = moment.timestamp() - now
    except Exception:  # noqa: BLE001  the parser raises whatever occurs in it: ValueError, OverflowError, IndexError
        return None
    return min(max(seconds, 0.0), RETRY_AFTER_LIMIT)
