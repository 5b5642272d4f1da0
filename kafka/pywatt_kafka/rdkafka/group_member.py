"""The member of a group behind a confluent-kafka Consumer, for transactions."""

from __future__ import annotations

from typing import Any

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.errors import CommitFailed
from pywatt_kafka.rdkafka.errors import translated


def group_member(consumer: Any, group: str) -> GroupMember:
    """Return the member with its current generation. Raises CommitFailed while it is not in the group."""
    with translated("asking for the group's generation"):
        found = consumer.consumer_group_metadata()
    if found is None:
        raise CommitFailed(f"this consumer is no member of group {group} now")
    return GroupMember(group=group, native=found)
