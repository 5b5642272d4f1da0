"""Watches the lag of consumer groups in the background, so that no request waits for Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field

from pywatt_kafka.errors import KafkaError
from pywatt_services.health.options import LagWatch

CHECK_LIMIT = 15.0
"""Timeout of a check in seconds; reading has its own limit, with a more precise error."""

Lag = Mapping[str, Mapping[int, int]]
"""Lag of each partition of each topic, in records."""
ReadLag = Callable[[Sequence[str], str, Sequence[str] | None], Awaitable[Lag]]
"""Arguments: brokers, group, topics (None: all topics for which the group has committed offsets)."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class GroupLag:
    """The latest known lag of a consumer group."""

    group: str
    watch: LagWatch
    lag: Lag = field(default_factory=dict)
    """Result of the last successful check."""
    checked_at: float | None = None
    """Unix time of that check, in seconds."""
    failure: str = ""
    """The reason why the last check failed, or empty."""


class LagMonitor:
    """Reads the lag of all groups of one watch periodically."""

    def __init__(
        self,
        watch: LagWatch,
        read: ReadLag,
        *,
        report: Callable[[], None],
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.groups = tuple(GroupLag(group=group, watch=watch) for group in watch.groups)
        self._watch = watch
        self._read = read
        self._report = report
        self._sleep = sleep
        self._clock = clock

    async def run(self) -> None:
        """Check until cancelled; `report` is called after every round."""
        while True:
            self.groups = tuple([await self._check(known) for known in self.groups])
            self._report()
            await self._sleep(self._watch.interval)

    async def _check(self, known: GroupLag) -> GroupLag:
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                lag = await self._read(self._watch.brokers, known.group, tuple(self._watch.topics) or None)
        except TimeoutError:
            failure = f"Kafka at {','.join(self._watch.brokers)} did not answer within {CHECK_LIMIT:g} s"
        except KafkaError as error:
            failure = error.message
        else:
            return GroupLag(group=known.group, watch=self._watch, lag=lag, checked_at=self._clock())
        return GroupLag(
            group=known.group, watch=self._watch, lag=known.lag, checked_at=known.checked_at, failure=failure
        )
