"""Chooses the consumer group of a client."""

from __future__ import annotations

from collections.abc import Mapping

from pywatt_kafka.errors import KafkaError

GROUP_ID_VARIABLE = "KAFKA_GROUP_ID"


def group_id_from(value: str | None, environ: Mapping[str, str]) -> str:
    """Return the group given, else the variable `KAFKA_GROUP_ID`. Raises KafkaError when there is none."""
    found = value or environ.get(GROUP_ID_VARIABLE, "").strip()
    if not found:
        raise KafkaError(
            f"no consumer group is given, and {GROUP_ID_VARIABLE} is not set",
            hint=f"give group_id, or set {GROUP_ID_VARIABLE}",
        )
    return found
