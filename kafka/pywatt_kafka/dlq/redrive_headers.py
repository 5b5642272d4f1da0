"""The headers that a record gets when it is sent back: for whom it is, and the id that it had first.

Only redriving writes them. A service takes neither of them from HTTP clients; who may write to a topic directly may
claim them, so no more hangs on them than which of a topic's own targets deliver a record.
"""

from __future__ import annotations

from collections.abc import Iterable

from pywatt_kafka.records import Header

TARGET = "x-plt-kafka-hooks-redrive-target"
"""The id of the target that did not take the record; the topic's others let it pass."""
ORIGINAL_ID = "x-plt-kafka-hooks-original-id"
"""The `webhook-id` that the record had where it was first: information for the target."""
REDRIVE_HEADERS = frozenset({TARGET, ORIGINAL_ID})


def redrive_headers(headers: Iterable[Header], *, target: str | None, webhook_id: str | None) -> list[Header]:
    """Return a record's headers for its way back; `target` None: all targets are to deliver it.

    A record that was sent back before keeps the id that it had first.
    """
    headers = list(headers)
    first = next((value for name, value in headers if name == ORIGINAL_ID), None)
    original = first if first is not None else None if webhook_id is None else webhook_id.encode()
    kept = [header for header in headers if header[0] not in REDRIVE_HEADERS]
    if original is not None:
        kept.append((ORIGINAL_ID, original))
    if target is not None:
        kept.append((TARGET, target.encode()))
    return kept
