"""Has followers sync before their leader on the embedded broker, which refuses those that come after it.

Without it a group of several members there hardly ever gets all its partitions read.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import Any

EMBEDDED_VARIABLE = "PYWATT_EMBEDDED_BROKER"
"""The embedded broker's address, where an app has one."""
HEAD_START = 0.2  # seconds


def is_embedded(brokers: Sequence[str], environ: Mapping[str, str]) -> bool:
    """Tell whether these brokers are the embedded one of this app."""
    return environ.get(EMBEDDED_VARIABLE) == ",".join(brokers)


def let_followers_first(coordinator: Any, brokers: tuple[str, ...], environ: Mapping[str, str]) -> None:
    """Have this member of a group, an aiokafka coordinator, wait when it leads and the brokers are the embedded one."""
    if not is_embedded(brokers, environ):
        return
    assign = coordinator._perform_assignment

    async def assign_later(response: Any) -> Any:
        assignment = await assign(response)
        if len(assignment) > 1:
            await asyncio.sleep(HEAD_START)
        return assignment

    coordinator._perform_assignment = assign_later
