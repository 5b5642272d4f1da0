"""The background check of consumer lag, without Kafka."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pywatt_kafka.errors import KafkaUnavailable, NotAuthorized
from pywatt_kafka.lag.group_lag import GroupLag, PartitionLag
from pywatt_kafka.lag.verdict import LagRules, Verdict
from pywatt_kafka.records import TopicPartition
from pywatt_services.health.lag import LagMonitor
from pywatt_services.health.options import LagWatch

pytestmark = pytest.mark.anyio

PLACE = TopicPartition("t", 0)


class EndOfScript(Exception):
    """Ends a monitor, which otherwise runs for ever."""


def lag(records: int, *, known: bool = True) -> GroupLag:
    partition = PartitionLag(committed=7, position=7, end=7 + records)
    return GroupLag(group="x", known=known, members=1, partitions={PLACE: partition} if known else {})


class Script:
    """Answers each check with the next item; time passes in pauses alone."""

    def __init__(self, *answers: GroupLag | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[str, Sequence[str] | None]] = []
        self.slept: list[float] = []
        self.reports = 0

    async def measure(self, group: str, topics: Sequence[str] | None) -> GroupLag:
        self.asked.append((group, topics))
        answer = self.answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    async def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        if not self.answers:
            raise EndOfScript

    def report(self) -> None:
        self.reports += 1

    async def run(self, *groups: str, topics: tuple[str, ...] = ()) -> LagMonitor:
        watch = LagWatch(brokers=("a:1", "b:1"), groups=groups, rules=LagRules(interval=30.0), topics=topics)
        monitor = LagMonitor(
            watch, self.measure, report=self.report, sleep=self.sleep, clock=lambda: 1000 + sum(self.slept)
        )
        with pytest.raises(EndOfScript):
            await monitor.run()
        return monitor


async def test_every_group_is_measured_twice_in_each_interval() -> None:
    script = Script(lag(1), lag(2), lag(3), lag(4))
    monitor = await script.run("x", "y")
    assert [(known.group, known.findings[PLACE].records, known.checked_at) for known in monitor.groups] == [
        ("x", 3, 1015),
        ("y", 4, 1015),
    ]
    assert script.asked[:2] == [("x", None), ("y", None)]
    assert script.slept == [15.0, 15.0]
    assert script.reports == 2


async def test_named_topics_are_asked_for() -> None:
    script = Script(lag(0))
    await script.run("x", topics=("orders", "users"))
    assert script.asked == [("x", ("orders", "users"))]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KafkaUnavailable("no broker at a:1"), "no broker at a:1"),
        (NotAuthorized("not allowed to see x"), "not allowed to see x"),
        (TimeoutError(), "Kafka at a:1,b:1 did not answer within 15 s"),
    ],
)
async def test_a_failure_is_told_and_the_last_figures_stay(error: Exception, reason: str) -> None:
    monitor = await Script(lag(1), error).run("x")
    (known,) = monitor.groups
    assert (known.failure, known.findings[PLACE].records, known.checked_at) == (reason, 1, 1000)


async def test_a_failure_passes() -> None:
    monitor = await Script(KafkaUnavailable("away"), lag(1)).run("x")
    assert monitor.groups[0].failure == ""


async def test_group_that_does_not_move_is_stalled() -> None:
    monitor = await Script(*[lag(5)] * 4).run("x")
    assert monitor.groups[0].findings[PLACE].verdict is Verdict.STALLED


async def test_unknown_group_is_missing_after_two_intervals() -> None:
    (known,) = (await Script(*[lag(0, known=False)] * 4).run("x")).groups
    assert (known.known, known.unknown_for, known.missing) == (False, 45.0, False)
    (known,) = (await Script(*[lag(0, known=False)] * 5).run("x")).groups
    assert (known.unknown_for, known.missing) == (60.0, True)
    (known,) = (await Script(*[lag(0, known=False)] * 5, lag(0)).run("x")).groups
    assert (known.known, known.missing) == (True, False)
