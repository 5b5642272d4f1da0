"""The headers of a redriven record: its target, and the id of the original record.

Only a redrive writes them. A service accepts neither from HTTP clients, but any writer of a topic can set them: so they
only select which of the topic's own targets deliver a record.
"""

from __future__ import annotations

from collections.abc import Iterable

from pywatt_kafka.records import Header

TARGET = "x-plt-kafka-hooks-redrive-target"
"""The id of the target that rejected the record; the topic's other targets skip it."""
ORIGINAL_ID = "x-plt-kafka-hooks-original-id"
"""The `webhook-id` of the original record: information for the target."""
REDRIVE_HEADERS = frozenset({TARGET, ORIGINAL_ID})


def redrive_headers(headers: Iterable[Header], *, target: str | None, webhook_id: str | None) -> list[Header]:
    """Return the headers of a redriven record; `target` None: all targets deliver it.

    A record that was redriven before keeps the id of the original record.
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
