"""A simulated day of consumers: no false alarm, and each real stall is seen within two intervals."""

from __future__ import annotations

import os
import random
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

    end: float = 0
    committed: float = 0
    position: float = 0
    """The first record that can be delivered: behind `committed` by what cannot."""
    appended: list[tuple[float, float]] = field(default_factory=list)
    """Time and end of each append, oldest first; those that were processed are removed."""
    stopped: bool = False

    def append(self, now: float, records: float) -> None:
        if records:
            self.end += records
            self.appended.append((now, self.end))

    def process(self, records: float) -> None:
        """Process and commit up to so many records."""
        if not self.stopped:
            self.position = min(self.end, max(self.position, self.committed) + records)
            self.committed = self.position
            while self.appended and self.appended[0][1] <= self.committed:
                del self.appended[0]

    def measured(self) -> PartitionLag:
        return PartitionLag(
            committed=int(self.committed),
            position=min(int(self.position), int(self.end)),
            end=int(self.end),
            timestamp=int(self.appended[0][0] * 1000) if self.appended else None,
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
            log.process(records)
            log.end += 1
        else:
            log.end += records + 1
        log.position = log.end  # nothing is left to deliver, but the committed offset stays


def compacted(log: Log, now: float, chance: random.Random) -> None:
    """A compacted topic: the next record is far behind the committed offset, again and again."""
    if now % 60 == 0:
        log.end += chance.randrange(1, 5000)  # compacted away before it was read
        log.position = log.end
    if now % 300 == 7:
        log.append(now, 5)
    if log.position < log.end and now % 3 == 0:
        log.process(5)


def batching(log: Log, now: float, chance: random.Random) -> None:
    """Commits only every 40 s, as a sink that writes files does."""
    log.append(now, 5)
    if now % 40 == 0:
        log.process(10_000)


def retained(log: Log, now: float, chance: random.Random) -> None:
    """Retention removes everything every hour, before the group that reads at night gets it."""
    if now % 3600 == 0:
        log.position = log.end
        log.appended.clear()
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
    next_check = chance.uniform(0, INTERVAL)
    for now in range(seconds):
        log.stopped = any(stop <= now < stop + 10 * INTERVAL for stop in stops)
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


@pytest.mark.parametrize("step", [bursty, long_burst, steady, slow_consumer], ids=lambda step: step.__name__)
@pytest.mark.parametrize("seed", range(SEEDS))
def test_each_real_stall_is_seen_within_two_intervals(step: Step, seed: int) -> None:
    chance = random.Random(seed)
    stops = tuple(hour * 3600 + 1801 + chance.uniform(0, 120) for hour in range(1, 24))
    if step is long_burst:
        stops = tuple(hour * 3600 + 20 + chance.uniform(0, 60) for hour in range(1, 24))
    seen = day(step, seed=seed, stops=stops)
    for stop in stops:
        # real once there is a record that the group does not take
        real = next((each.at for each in seen if each.at >= stop and each.records), None)
        if real is None or real > stop + 8 * INTERVAL:
            continue  # there was nothing to do while it was stopped
        first = next(each.at for each in alarms(seen) if each.at >= stop)
        begun = stop if real <= stop + INTERVAL / CHECKS_PER_INTERVAL else real
        assert first - begun <= 2 * INTERVAL
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
