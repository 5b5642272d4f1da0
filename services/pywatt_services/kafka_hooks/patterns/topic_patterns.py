"""Matches names of topics with patterns; pure."""

from __future__ import annotations

import re
from collections.abc import Iterable
from functools import lru_cache
from typing import Protocol

from pywatt_services.diagnostics.backtracking import SlowPattern, check_backtracking
from pywatt_services.kafka_hooks.webhooks.options import DEFAULT_DLQ, WebhookOptions

INTERNAL = "__"
"""Prefix of the names of Kafka's own topics."""
REFERENCE = re.compile(r"\(\?P[<=]|\(\?\(|(?<!\\)(?:\\\\)*\\[1-9]")
"""Named groups and references to groups: joined patterns would change their names and numbers."""
LEGAL_NAME = re.compile(r"(?!\.{1,2}\Z)[A-Za-z0-9._-]{1,249}")


class RequestReplyTopics(Protocol):
    """The two topics of an entry of `requestResponse`."""

    @property
    def request_topic(self) -> str: ...
    @property
    def response_topic(self) -> str: ...


def check_pattern(pattern: str) -> None:
    """Raise ValueError, with the reason in words, for an unusable pattern."""
    try:
        re.compile(pattern)
        re.compile(f"(?:{pattern})")
    except re.error as error:
        if "global flags" in str(error):
            raise ValueError("flags stand in a group, such as (?i:orders)") from error
        where = "" if error.pos is None else f" at character {error.pos + 1}"
        raise ValueError(f"it is not a regular expression: {error.msg}{where}") from error
    try:
        check_backtracking(pattern)
    except SlowPattern as error:
        raise ValueError(f"it may take very long on a name that nearly fits: {error}") from error
    if REFERENCE.search(pattern):
        raise ValueError("groups cannot have names and cannot be referred to")


def own_topics(webhooks: Iterable[WebhookOptions], replies: Iterable[RequestReplyTopics]) -> frozenset[str]:
    """Return the topics that no pattern matches: to deliver this service's own output would make a loop."""
    exchanged = (topic for reply in replies for topic in (reply.request_topic, reply.response_topic))
    written = (topic for webhook in webhooks for topic in (webhook.dlq, webhook.retry.topic) if topic is not None)
    return frozenset([DEFAULT_DLQ, *exchanged, *written])


def expression(patterns: Iterable[str], never: Iterable[str]) -> str | None:
    """Return one regular expression, for whole names, of all patterns, without the names in `never`."""
    either = "|".join(f"(?:{pattern})" for pattern in patterns)
    if not either:
        return None
    return rf"(?!{INTERNAL}|(?:{'|'.join(map(re.escape, sorted(never)))})\Z)(?:{either})"


def matches(name: str, pattern: str | None) -> bool:
    """Tell whether an expression matches the legal name of a topic."""
    return pattern is not None and bool(LEGAL_NAME.fullmatch(name)) and _compiled(pattern).fullmatch(name) is not None


@lru_cache(maxsize=256)
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)
