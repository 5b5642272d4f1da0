"""A simulated day of consumers: no false alarm, and each real stall is seen within two intervals."""

from __future__ import annotations

import math
import os
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
from pywatt_kafka.lag.verdict import CALM_VERDICTS, CHECKS_PER_INTERVAL, LagRules, LagWindow, Verdict, gravest
from pywatt_kafka.records import TopicPartition

DAY = 24 * 3600
SEEDS = int(os.environ.get("PYWATT_LAG_DAYS", "2"))
"""Days of each kind; a long form has more of them."""
INTERVAL = 30.0
THRESHOLD = 1000
PLACE = TopicPartition("t", 0)
RULES = LagRules(interval=INTERVAL, threshold=THRESHOLD)


@dataclass
class Log:
    """One partition and the group that reads it, second by second."""

    end: int = 0
    committed: int = 0
    waiting: deque[tuple[float, int, int]] = field(default_factory=deque)
    """Records that were not processed: when they were appended, the first of them, and the end."""
    stopped: bool = False

    def append(self, now: float, records: int) -> None:
        if records:
            self.waiting.append((now, self.end, self.end + records))
            self.end += records

    def skip(self, records: int) -> None:
        """Append what is never delivered."""
        self.end += records

    def process(self, records: int) -> None:
        """Process and commit up to so many records."""
        while records and self.waiting and not self.stopped:
            at, begin, end = self.waiting.popleft()
            taken = min(records, end - begin)
            records -= taken
            self.committed = begin + taken
            if self.committed < end:
                self.waiting.appendleft((at, self.committed, end))

    def measured(self) -> PartitionLag:
        at, position, _ = self.waiting[0] if self.waiting else (None, self.end, self.end)
        return PartitionLag(
            committed=self.committed,
            position=position,
            end=self.end,
            timestamp=None if at is None else int(at * 1000),
        )


Step = Callable[[Log, float, random.Random], None]


def idle(log: Log, now: float, chance: random.Random) -> None:
    """Nothing arrives all day, and then three records in the night."""
    if now == 3 * 3600:
        log.append(now, 3)
    log.process(100)


def slow_topic(log: Log, now: float, chance: random.Random) -> None:
    """A record every twenty minutes or so, processed within seconds."""
    if chance.random() < 1 / 1200:
        log.append(now, 1)
    if now % 4 == 0:
        log.process(1)


def slow_consumer(log: Log, now: float, chance: random.Random) -> None:
    """Each record takes 25 to 40 s, and there is a backlog below the threshold for most of the day."""
    if chance.random() < 1 / 33:
        log.append(now, 1)
    if (chance.random() < 1 / 10 and now % 25 < 15) or now % 40 == 0:
        log.process(1)


def bursty(log: Log, now: float, chance: random.Random) -> None:
    """Up to 40,000 records at once every hour, worked off at 250 a second."""
    if now % 3600 == 1800:
        log.append(now, chance.randrange(1000, 40_000))
    log.process(250)


def long_burst(log: Log, now: float, chance: random.Random) -> None:
    """More than the group can do for a minute and a half, then nothing, every hour."""
    if now % 3600 < 90:
        log.append(now, 700)
    log.process(250)


def steady(log: Log, now: float, chance: random.Random) -> None:
    """A few thousand records a second with a lag of a second or two, and a restart of 35 s every two hours."""
    log.append(now, chance.randrange(100, 300))
    if now % 7200 > 35:
        log.process(chance.randrange(150, 500))


def transactional(log: Log, now: float, chance: random.Random) -> None:
    """Transactions that are committed or aborted; the group commits only the records it got."""
    if now % 10 == 0:
        records = chance.randrange(1, 200)
        if chance.random() < 0.5:
            log.append(now, records)
        else:
            log.skip(records)
        log.skip(1)  # the marker
        log.process(10_000)


def compacted(log: Log, now: float, chance: random.Random) -> None:
    """A compacted topic: the next record is far behind the committed offset, again and again."""
    if now % 60 == 0:
        log.skip(chance.randrange(1, 5000))  # compacted away before it was read
    if now % 300 == 7:
        log.append(now, 5)
    if now % 3 == 0:
        log.process(5)


def batching(log: Log, now: float, chance: random.Random) -> None:
    """Commits only every 40 s, as a sink that writes files does."""
    log.append(now, 5)
    if now % 40 == 0:
        log.process(10_000)


def retained(log: Log, now: float, chance: random.Random) -> None:
    """Retention removes everything every hour, before the group that reads at night gets it."""
    if now % 3600 == 0:
        log.waiting.clear()
    if now % 3600 == 3590:
        log.append(now, 500)


KINDS: tuple[Step, ...] = (
    idle,
    slow_topic,
    slow_consumer,
    bursty,
    long_burst,
    steady,
    transactional,
    compacted,
    batching,
    retained,
)


@dataclass(frozen=True)
class Seen:
    """One check of the day."""

    at: float
    verdict: Verdict
    records: int


def day(
    step: Step, *, seed: int, stops: tuple[float, ...] = (), seconds: int = DAY, rules: LagRules = RULES
) -> list[Seen]:
    """Simulate a day; the group stops at the given times, each time for ten intervals."""
    chance = random.Random(seed)
    log, window, seen = Log(), LagWindow(RULES), list[Seen]()
    stopped = {second for stop in stops for second in range(math.ceil(stop), math.ceil(stop + 10 * INTERVAL))}
    next_check = chance.uniform(0, INTERVAL)
    for now in range(seconds):
        log.stopped = now in stopped
        step(log, float(now), chance)
        if now >= next_check:
            next_check += INTERVAL / CHECKS_PER_INTERVAL
            group = GroupLag(group="g", known=True, members=1, partitions={PLACE: log.measured()})
            seen.append(Seen(float(now), gravest(window.add(group, float(now))), log.measured().records))
    return seen


def alarms(seen: list[Seen]) -> list[Seen]:
    return [each for each in seen if each.verdict not in CALM_VERDICTS]


@pytest.mark.parametrize("step", KINDS, ids=lambda step: step.__name__)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_no_false_alarm_in_a_day(step: Step, seed: int) -> None:
    assert alarms(day(step, seed=seed)) == []


def stops_of(step: Step, chance: random.Random) -> tuple[float, ...]:
    """Return times of a day at which the group stops."""
    if step is idle:
        return (3 * 3600 - chance.uniform(0, 200),)
    if step is long_burst:
        return tuple(hour * 3600 + 20 + chance.uniform(0, 60) for hour in range(1, 24))
    return tuple(hour * 3600 + 1801 + chance.uniform(0, 120) for hour in range(1, 24))


@pytest.mark.parametrize("step", [step for step in KINDS if step is not retained], ids=lambda step: step.__name__)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_real_stall_is_seen_within_two_intervals(step: Step, seed: int) -> None:
    stops = stops_of(step, random.Random(seed))
    seen = day(step, seed=seed, stops=stops)
    real_stalls = 0
    for stop in stops:
        # real once there is a record that the group does not take
        real = next((each.at for each in seen if each.at >= stop and each.records), None)
        if real is None or real > stop + 8 * INTERVAL:
            continue  # there was nothing to do while it was stopped
        real_stalls += 1
        first = next(each.at for each in alarms(seen) if each.at >= stop)
        begun = stop if real <= stop + INTERVAL / CHECKS_PER_INTERVAL else real
        if step is batching:
            begun = math.ceil(stop / 40) * 40  # the first commit that is missing
        assert first - begun <= 2 * INTERVAL
    assert real_stalls
    quiet = [each for each in alarms(seen) if not any(stop <= each.at < stop + 12 * INTERVAL for stop in stops)]
    assert quiet == []  # and each alarm ends soon after the stall


def test_a_group_that_cannot_keep_up_falls_behind() -> None:
    def overloaded(log: Log, now: float, chance: random.Random) -> None:
        log.append(now, 120)
        log.process(100)

    seen = day(overloaded, seed=1, seconds=3600)
    first = alarms(seen)[0]
    assert first.verdict is Verdict.FALLING_BEHIND
    assert first.at < 300
    assert {each.verdict for each in seen if each.at > first.at} == {Verdict.FALLING_BEHIND}
