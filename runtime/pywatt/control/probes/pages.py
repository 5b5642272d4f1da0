"""The responses of the health endpoints, for whatever server has their paths."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any

from pywatt.channel.messages import Answer
from pywatt.config.model import HealthProbesConfig, ProbeEndpointConfig, ProbeResponse
from pywatt.control.probes.verdict import AppHealth, Verdict, app_health, liveness, readiness

Ask = Callable[[str, Mapping[str, Any]], Awaitable[Answer]]
Decide = Callable[[AppHealth, ProbeEndpointConfig], Verdict]
ANSWER_SECONDS = 5.0
"""Seconds after which a supervisor that gives no answer counts as dead: it answers between two of its tasks."""
HEALTH = "health"
"""The supervisor's command, which it answers at once, also while the app starts and stops."""
GOOD, BAD = 200, 503
TEXT = "text/plain; charset=utf-8"
JSON = "application/json; charset=utf-8"


@dataclass(frozen=True, slots=True)
class ProbePage:
    """A response."""

    status: int
    content_type: str
    body: bytes


class ProbePages:
    """The health endpoints of an app: ask for a `page` by its path."""

    def __init__(self, ask: Ask, config: HealthProbesConfig, *, patience: float = ANSWER_SECONDS) -> None:
        """`ask` sends a command to the supervisor."""
        self._ask = ask
        self._patience = patience
        self._endpoints: dict[str, tuple[ProbeEndpointConfig, Decide]] = {}
        for endpoint, decide in ((config.readiness, readiness), (config.liveness, liveness)):
            if endpoint is not None:
                self._endpoints[endpoint.endpoint] = endpoint, decide

    @property
    def paths(self) -> tuple[str, ...]:
        """The paths of the endpoints."""
        return tuple(self._endpoints)

    async def page(self, path: str) -> ProbePage | None:
        """Return the response for a path; None for a path of no endpoint."""
        found = self._endpoints.get(path)
        if found is None:
            return None
        endpoint, decide = found
        try:
            async with asyncio.timeout(self._patience):
                answer = await self._ask(HEALTH, {})
        except TimeoutError:
            why = f"the supervisor gave no answer within {self._patience:g} s"
            verdict = Verdict(good=False, document={"status": "unknown", "reason": why})
        else:
            verdict = decide(app_health(answer.result), endpoint)
        return _page(verdict, endpoint.success if verdict.good else endpoint.fail)


def _page(verdict: Verdict, configured: ProbeResponse) -> ProbePage:
    """Return the response: of the service's own check if one decided, else as configured, else JSON."""
    status = configured.status or (GOOD if verdict.good else BAD)
    body = configured.body
    if verdict.check is not None:
        status = verdict.check.status or status
        body = verdict.check.body if verdict.check.body is not None else body
    if body is None:
        return ProbePage(status, JSON, json.dumps(verdict.document).encode())
    return ProbePage(status, JSON if body.startswith(("{", "[")) else TEXT, body.encode("utf-8", "backslashreplace"))
