"""The services of the app as a live state."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from pywatt.channel.messages import Answer
from pywatt_services.dashboard.live_state import LiveState

SECONDS = 1.0
"""Pause between two looks; one takes 0.2 s, in which CPU is measured."""

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]


def live_services(ask: Ask, pause: float = SECONDS) -> LiveState:
    """Return the state of all services."""

    async def look() -> dict[str, Any]:
        answer = await ask("services", {"usage": True})
        return {"at": time.time(), "error": answer.error, **(answer.result or {})}

    return LiveState("services", look, pause)
