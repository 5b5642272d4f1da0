"""The JSON of a dead letter for users, the same on the command line and over HTTP."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from pywatt_kafka.dlq.topic import FoundLetter
from pywatt_kafka.json_bytes import text_or_base64


def summary_document(found: FoundLetter) -> dict[str, Any]:
    """Return the fields of a list entry."""
    letter = found.letter
    return {
        "partition": letter.partition,
        "offset": letter.offset,
        "since": datetime.fromtimestamp(letter.since, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z"),
        "topic": letter.topic,
        "originPartition": letter.origin_partition,
        "originOffset": letter.origin_offset,
        "key": text_or_base64(letter.key),
        "error": letter.error,
        "status": letter.status,
        "attempts": letter.attempts,
        "target": letter.target,
        "redriven": found.redriven,
    }


def full_document(found: FoundLetter) -> dict[str, Any]:
    """Return all fields of a letter."""
    letter = found.letter
    return {
        **summary_document(found),
        "targetId": letter.target_id,
        "webhookId": letter.webhook_id,
        "headers": [[name, text_or_base64(value)] for name, value in letter.headers],
        "value": text_or_base64(letter.value),
        **({"omitted": True} if letter.omitted else {}),
    }
