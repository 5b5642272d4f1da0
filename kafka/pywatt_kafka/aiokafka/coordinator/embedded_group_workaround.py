"""Delays the leader of a group on the embedded broker, which rejects followers that sync after their leader.

Without the delay, a group of several members rarely gets all its partitions assigned there.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from pywatt_kafka.connection.addresses import is_embedded

LEADER_DELAY = 0.2  # seconds


def delay_leader(coordinator: Any, brokers: tuple[str, ...], environ: Mapping[str, str]) -> None:
    """Make an aiokafka coordinator wait when it leads its group and the broker is the embedded one."""
    if not is_embedded(brokers, environ):
        return
    assign = coordinator._perform_assignment

    async def assign_later(response: Any) -> Any:
        assignment = await assign(response)
        if len(assignment) > 1:
            await asyncio.sleep(LEADER_DELAY)
        return assignment

    coordinator._perform_assignment = assign_later
