"""The background check of consumer lag, without Kafka."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import pytest

from pywatt_kafka.errors import KafkaUnavailable, NotAuthorized
from pywatt_services.health.lag import Lag, LagMonitor
from pywatt_services.health.options import LagWatch

pytestmark = pytest.mark.anyio


class EndOfScript(Exception):
    """Ends a monitor, which otherwise runs for ever."""


class Script:
    """Answers each check with the next item, and counts time in checks."""

    def __init__(self, *answers: Lag | Exception) -> None:
        self.answers = list(answers)
        self.asked: list[tuple[Sequence[str], str, Sequence[str] | None]] = []
        self.slept: list[float] = []
        self.reports = 0

    async def read(self, brokers: Sequence[str], group: str, topics: Sequence[str] | None) -> Lag:
        self.asked.append((brokers, group, topics))
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

    async def run(self, *groups: str, topics: Mapping[str, int] | None = None) -> LagMonitor:
        watch = LagWatch(brokers=("a:1", "b:1"), groups=groups, interval=30.0, topics=topics or {})
        monitor = LagMonitor(watch, self.read, report=self.report, sleep=self.sleep, clock=lambda: len(self.slept))
        with pytest.raises(EndOfScript):
            await monitor.run()
        return monitor


async def test_every_group_is_read_in_every_round() -> None:
    script = Script({"t": {0: 1}}, {"t": {0: 2}}, {"t": {0: 3}}, {"t": {0: 4}})
    monitor = await script.run("x", "y")
    assert [(known.group, known.lag, known.checked_at) for known in monitor.groups] == [
        ("x", {"t": {0: 3}}, 1),
        ("y", {"t": {0: 4}}, 1),
    ]
    assert script.asked[:2] == [(("a:1", "b:1"), "x", None), (("a:1", "b:1"), "y", None)]
    assert script.slept == [30.0, 30.0]
    assert script.reports == 2


async def test_named_topics_are_asked_for() -> None:
    script = Script({})
    await script.run("x", topics={"orders": 5, "users": 6})
    assert script.asked == [(("a:1", "b:1"), "x", ("orders", "users"))]


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (KafkaUnavailable("no broker at a:1"), "no broker at a:1"),
        (NotAuthorized("not allowed to see x"), "not allowed to see x"),
        (TimeoutError(), "Kafka at a:1,b:1 did not answer within 15 s"),
    ],
)
async def test_a_failure_is_told_and_the_last_figures_stay(error: Exception, reason: str) -> None:
    monitor = await Script({"t": {0: 1}}, error).run("x")
    (known,) = monitor.groups
    assert (known.failure, known.lag, known.checked_at) == (reason, {"t": {0: 1}}, 0)


async def test_a_failure_passes() -> None:
    monitor = await Script(KafkaUnavailable("away"), {"t": {0: 1}}).run("x")
    assert monitor.groups[0].failure == ""
