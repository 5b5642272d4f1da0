"""Judges the lag of a consumer group by a sliding window of measurements (pure).

The rules follow those of Burrow: an idle topic, or one with a record now and then, is no alarm, nor is a burst that is
worked off. What counts is whether the group moves while there are records for it.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median

from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
from pywatt_kafka.records import TopicPartition

CHECKS_PER_INTERVAL = 2
"""Measurements in each interval: a stall is then seen within two intervals, and a pause of one is none."""
STALL_INTERVALS = 1.5
TOLERANCE = 0.1  # of an interval: measurements are never exactly on time
WINDOW = 10  # measurements
PACES = 10  # times between commits from which the pace of a group is known ...
FEWEST_PACES = 3  # ... and how many it takes
PACE_FACTOR = 1.5
CALM = 2  # measurements in a row without a finding that end an alarm


class Verdict(enum.StrEnum):
    """The state of a partition, or of a group by its worst partition."""

    OK = "ok"
    CATCHING_UP = "catching up"
    """The lag is above the threshold, but the group works it off, or it is too early to tell."""
    STALLED = "stalled"
    """There are records, but the group has not moved for a while."""
    FALLING_BEHIND = "falling behind"
    """The lag is above the threshold and does not fall."""
    LATE = "late"
    """The oldest record waits for longer than allowed."""
    NO_MEMBER = "no member"
    """The lag is above the threshold, and nobody reads."""


CALM_VERDICTS = frozenset({Verdict.OK, Verdict.CATCHING_UP})
_GRAVITY = list(Verdict)


@dataclass(frozen=True, slots=True, kw_only=True)
class LagRules:
    """Limits of the lag of one group."""

    interval: float = 30.0
    """Seconds; two measurements belong to each."""
    threshold: int = 1000
    """Records that a partition may lag without falling behind."""
    topics: Mapping[str, int] = field(default_factory=dict)
    """The threshold of single topics."""
    seconds: float | None = None
    """Age of the oldest waiting record that is late; None: none is."""

    def threshold_of(self, topic: str) -> int:
        """Return the threshold of a topic, in records."""
        return self.topics.get(topic, self.threshold)


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """The verdict about one partition, with what led to it."""

    verdict: Verdict
    records: int
    seconds: float | None
    """Age of the oldest waiting record; None: not known."""
    threshold: int
    still: float = 0.0
    """Seconds for which the group has not moved although there were records."""

    @property
    def above(self) -> bool:
        """True if the lag is above the threshold."""
        return self.records > self.threshold


class PartitionWindow:
    """The last measurements of one partition."""

    __slots__ = ("_alarm", "_calm", "_committed", "_lags", "_late", "_paces", "_rules", "_since", "_threshold")

    def __init__(self, rules: LagRules, topic: str) -> None:
        self._rules = rules
        self._threshold = rules.threshold_of(topic)
        self._committed: int | None = None
        self._since: float | None = None
        """Time of the first measurement of a lag at this committed offset; None while there is no lag."""
        self._lags: deque[int] = deque(maxlen=WINDOW)
        self._paces: deque[float] = deque(maxlen=PACES)
        """Seconds for which the group stayed at earlier offsets while there were records."""
        self._late = 0
        """Measurements in a row at which a record was late."""
        self._alarm = Verdict.OK
        self._calm = 0

    def add(self, lag: PartitionLag, at: float, members: int | None) -> Finding:
        """Take a measurement made at the Unix time `at`, and return the verdict."""
        records, seconds = lag.records, lag.seconds(at)
        moved = lag.committed != self._committed
        if self._since is not None and (moved or not records):
            self._paces.append(at - self._since)
        elif self._since is None and moved and self._committed is not None:
            self._paces.append(0.0)  # between two measurements; else the pace would be that of the stalls alone
        if not records:
            self._since = None
        elif self._since is None or moved:
            self._since = at
        self._committed = lag.committed
        self._lags.append(records)
        late = self._rules.seconds is not None and seconds is not None and seconds > self._rules.seconds
        self._late = self._late + 1 if late else 0
        still = 0.0 if self._since is None else at - self._since
        return Finding(
            verdict=self._steady(self._judge(records, still, members)),
            records=records,
            seconds=seconds,
            threshold=self._threshold,
            still=still,
        )

    @property
    def stall_after(self) -> float:
        """Seconds without a move that are a stall: longer for a group that usually commits at long intervals."""
        least = (STALL_INTERVALS - TOLERANCE) * self._rules.interval
        if len(self._paces) < FEWEST_PACES:
            return least
        return max(least, PACE_FACTOR * median(self._paces))

    def _judge(self, records: int, still: float, members: int | None) -> Verdict:
        if not records:
            return Verdict.OK
        above = records > self._threshold
        if above and members == 0:
            return Verdict.NO_MEMBER
        if self._late >= CALM:
            return Verdict.LATE
        if still >= self.stall_after:
            return Verdict.STALLED
        if not above:
            return Verdict.OK
        return Verdict.FALLING_BEHIND if self._does_not_fall() else Verdict.CATCHING_UP

    def _does_not_fall(self) -> bool:
        """Return whether the lag was above the threshold for the whole window and fell neither in it nor of late."""
        lags = self._lags
        if len(lags) < WINDOW or min(lags) <= self._threshold:
            return False
        return lags[-1] >= lags[0] and lags[-1] >= lags[WINDOW // 2]

    def _steady(self, verdict: Verdict) -> Verdict:
        """Return the verdict, or the last alarm until there was no reason for one at several measurements."""
        if verdict not in CALM_VERDICTS:
            self._alarm, self._calm = verdict, 0
            return verdict
        if self._alarm is Verdict.OK:
            return verdict
        self._calm += 1
        if self._calm < CALM:
            return self._alarm
        self._alarm = Verdict.OK
        return verdict


class LagWindow:
    """The last measurements of one group."""

    def __init__(self, rules: LagRules) -> None:
        self._rules = rules
        self._partitions: dict[TopicPartition, PartitionWindow] = {}

    def add(self, group: GroupLag, at: float) -> Mapping[TopicPartition, Finding]:
        """Take a measurement made at the Unix time `at`, and return the verdict about each of its partitions."""
        known = self._partitions
        self._partitions = {
            place: known.get(place) or PartitionWindow(self._rules, place.topic) for place in group.partitions
        }
        return {
            place: window.add(group.partitions[place], at, group.members) for place, window in self._partitions.items()
        }


def gravest(findings: Mapping[TopicPartition, Finding]) -> Verdict:
    """Return the gravest verdict, OK if there is none."""
    return max((finding.verdict for finding in findings.values()), key=_GRAVITY.index, default=Verdict.OK)
