"""The callbacks for the partitions of a consumer."""

from __future__ import annotations

from typing import Protocol

from pywatt_kafka.records import TopicPartition


class AssignmentListener(Protocol):
    """Callbacks for the partitions of a consumer. Both are awaited before the group continues."""

    async def assigned(self, partitions: frozenset[TopicPartition]) -> None:
        """Take the partitions that have become this member's.

        With the classic eager protocol, these are the whole assignment, as all were revoked before. With the protocol
        `consumer` or a cooperative assignor, they are added to those that this member keeps.

        No record of them is fetched before this returns, so that it may read `committed` and `seek`.
        """
        ...

    async def revoked(self, partitions: frozenset[TopicPartition]) -> None:
        """Release these partitions; they are given up when this returns. `commit` still works.

        With the classic eager protocol, these are all that were assigned.
        Must return within the rebalance timeout. If the partitions are already lost, `commit` raises CommitFailed. Also
        called when the consumer closes or replaces its connection.
        """
        ...
