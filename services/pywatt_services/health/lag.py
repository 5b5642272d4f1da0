"""Watches the lag of consumer groups in the background, so that no request waits for Kafka."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from pywatt_kafka.errors import KafkaError
from pywatt_kafka.lag.group_lag import GroupLag
from pywatt_kafka.lag.verdict import CHECKS_PER_INTERVAL, Finding, LagWindow
from pywatt_kafka.records import TopicPartition
from pywatt_services.health.options import LagWatch

CHECK_LIMIT = 15.0
"""Timeout of a check in seconds; measuring has its own limit, with a more precise error."""
UNKNOWN_INTERVALS = 2
"""Intervals after which a group that the cluster does not know is no longer one that is about to join."""

MeasureLag = Callable[[str, Sequence[str] | None], Awaitable[GroupLag]]
"""Arguments: group, topics (None: all topics for which the group has committed offsets)."""
Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True, kw_only=True)
class WatchedGroup:
    """The latest known lag of a consumer group."""

    group: str
    watch: LagWatch
    known: bool | None = None
    """False: the cluster does not know the group; None: that is not known either."""
    unknown_for: float = 0.0
    """Seconds for which checks have found no such group."""
    members: int | None = None
    findings: Mapping[TopicPartition, Finding] = field(default_factory=dict)
    """Result of the last successful check."""
    checked_at: float | None = None
    """Unix time of that check, in seconds."""
    failure: str = ""
    """The reason why the last check failed, or empty."""

    @property
    def missing(self) -> bool:
        """True if the group has not been there for long enough to be sure."""
        return self.known is False and self.unknown_for >= UNKNOWN_INTERVALS * self.watch.rules.interval


class LagMonitor:
    """Measures the lag of all groups of one watch periodically."""

    def __init__(
        self,
        watch: LagWatch,
        measure: MeasureLag,
        *,
        report: Callable[[], None],
        sleep: Sleep = asyncio.sleep,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.groups = tuple(WatchedGroup(group=group, watch=watch) for group in watch.groups)
        self._watch = watch
        self._measure = measure
        self._windows = {group: LagWindow(watch.rules) for group in watch.groups}
        self._unknown_since: dict[str, float] = {}
        self._report = report
        self._sleep = sleep
        self._clock = clock

    async def run(self) -> None:
        """Check until cancelled; `report` is called after every round."""
        pause = self._watch.rules.interval / CHECKS_PER_INTERVAL
        while True:
            begun = self._clock()
            self.groups = tuple([await self._check(known) for known in self.groups])
            self._report()
            # on time whatever the checks took, as a stall is judged by the time between them
            await self._sleep(min(pause, max(pause / 2, pause - (self._clock() - begun))))

    async def _check(self, known: WatchedGroup) -> WatchedGroup:
        try:
            async with asyncio.timeout(CHECK_LIMIT):
                lag = await self._measure(known.group, self._watch.topics or None)
        except TimeoutError:
            failure = f"Kafka at {','.join(self._watch.brokers)} did not answer within {CHECK_LIMIT:g} s"
        except KafkaError as error:
            failure = error.message
        else:
            return self._judged(known.group, lag)
        return replace(known, failure=failure)

    def _judged(self, group: str, lag: GroupLag) -> WatchedGroup:
        now = self._clock()
        if lag.known:
            self._unknown_since.pop(group, None)
        return WatchedGroup(
            group=group,
            watch=self._watch,
            known=lag.known,
            unknown_for=0.0 if lag.known else now - self._unknown_since.setdefault(group, now),
            members=lag.members,
            findings=self._windows[group].add(lag, now),
            checked_at=now,
        )
