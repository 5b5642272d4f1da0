"""Removes a static member from its consumer group.

No client library does: a static member is expected to come back, and no other member gets its partitions until its
session times out. This request ends the membership at once (KIP-345, LeaveGroup version 3).
"""

from __future__ import annotations

from collections.abc import Sequence

from pywatt_kafka.admin.groups import GroupOperations
from pywatt_kafka.security.options import Security

LIMIT = 5.0  # seconds


async def leave_group(
    bootstrap_brokers: str | Sequence[str] | None,
    group: str,
    instance_id: str,
    *,
    timeout: float = LIMIT,
    security: Security | None = None,
) -> None:
    """Remove a static member: `Admin.remove_member` with a connection of its own. `timeout`: in seconds."""
    admin = GroupOperations(bootstrap_brokers, security=security, timeout=timeout)
    async with admin.within(timeout):
        await admin.remove_member(group, instance_id)
