"""The member of a group behind a confluent-kafka Consumer, for transactions."""

from __future__ import annotations

from typing import Any

from pywatt_kafka.engine.membership import GroupMember
from pywatt_kafka.errors import CommitFailed


def group_member(metadata: Any, group: str) -> GroupMember:
    """Return the member of librdkafka's description. Raises CommitFailed while it is not in the group."""
    if metadata is None:
        raise CommitFailed(f"this consumer is no member of group {group} now")
    return GroupMember(group=group, native=metadata)
