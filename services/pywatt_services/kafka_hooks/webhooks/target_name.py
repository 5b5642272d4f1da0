"""Names a target: in a dead letter, in the log, and in a record that is redriven to it alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import dataclass

from pywatt.redaction import hide_webhook
from pywatt_kafka.dlq.redrive_headers import TARGET
from pywatt_kafka.records import Header

HEXADECIMAL = 16


@dataclass(frozen=True, slots=True)
class TargetName:
    """One target of a topic."""

    url: str
    """URL as it may be shown."""
    id: int
    """Identity of its progress across restarts; another URL makes another target."""


def target_name(url: str, duplicate_index: int) -> TargetName:
    """Return the name of a target; `duplicate_index`: number of earlier targets with the same topic and URL."""
    return TargetName(shown_url(url), zlib.crc32(f"{url} {duplicate_index}".encode()))


def shown_url(url: str) -> str:
    """Return a URL without its secrets: user and password, query, fragment, the path of an open webhook."""
    scheme, separator, rest = url.partition("#")[0].partition("?")[0].partition("://")
    authority, slash, path = rest.partition("/")
    return hide_webhook(f"{scheme}{separator}{authority.rpartition('@')[2]}{slash}{path}")


def id_text(target_id: int) -> str:
    """Return a target's id as text."""
    return f"{target_id:08x}"


def named_target(headers: Sequence[Header]) -> int | None:
    """Return the id of the target that a record was sent back to; None: it is for all."""
    for name, value in headers:
        if name == TARGET:
            try:
                return int(value or b"", HEXADECIMAL)
            except ValueError:
                return None
    return None
