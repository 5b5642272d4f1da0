"""Evaluation of a probe's results, and the order of probes."""

from __future__ import annotations

from collections.abc import Callable

import anyio
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.config.model import ProbeConfig, ProbesConfig
from pywatt.supervisor.monitor.probe_runner import ProbeRunner
from pywatt.supervisor.policy.probe_thresholds import ProbeState, after_answer

pytestmark = pytest.mark.anyio
FAST = 0.001


def probe(path: str, failures: int = 3, successes: int = 1) -> ProbeConfig:
    return ProbeConfig(http=path, interval=FAST, failure_threshold=failures, success_threshold=successes)


class Worker:
    """Answers probes from a script, and repeats the last answer."""

    def __init__(self, **answers: list[str]) -> None:
        self.answers = answers
        self.asked: list[str] = []
        self.readiness: list[str] = []

    async def ask(self, asked: ProbeConfig) -> str:
        await anyio.lowlevel.checkpoint()
        assert asked.http is not None
        self.asked.append(asked.http)
        left = self.answers[asked.http]
        return left.pop(0) if len(left) > 1 else left[0]

    def probes(self, config: ProbesConfig) -> ProbeRunner:
        return ProbeRunner(config, self.ask, self.readiness.append)


def verdicts(answers: str, **thresholds: int) -> list[bool | None]:
    state, passing = ProbeState(), []
    for answer in answers:
        state = after_answer(state, "" if answer == "+" else "no", probe("", **thresholds))
        passing.append(state.passing)
    return passing


def test_thresholds_count_answers_in_a_row() -> None:
    assert verdicts("--+--+---", failures=3) == [None, None, True, True, True, True, True, True, False]
    assert verdicts("+-+++-", failures=2, successes=3) == [None, None, None, None, True, True]


@given(st.text("+-", max_size=60), st.integers(1, 5), st.integers(1, 5))
def test_a_verdict_changes_only_after_its_threshold(answers: str, failures: int, successes: int) -> None:
    passing = verdicts(answers, failures=failures, successes=successes)
    for index, state in enumerate(passing):
        if state is not None and (index == 0 or passing[index - 1] is not state):
            needed = successes if state else failures
            assert answers[: index + 1].endswith(("+" if state else "-") * needed)


async def test_startup_comes_before_readiness() -> None:
    worker = Worker(startup=["no", "no", ""], readiness=["not yet", ""])
    probes = worker.probes(ProbesConfig(startup=probe("startup"), readiness=probe("readiness")))
    assert await probes.get_ready() == ""
    assert worker.asked == ["startup"] * 3 + ["readiness"] * 2
    assert worker.readiness == [
        "its startup probe has not passed yet: no",
        "its startup probe has not passed yet: no",
        "its readiness probe has not passed yet: not yet",
        "",
    ]


async def test_a_failed_startup_is_told() -> None:
    worker = Worker(startup=["GET /: status 503"])
    probes = worker.probes(ProbesConfig(startup=probe("startup", failures=2), readiness=probe("readiness")))
    assert await probes.get_ready() == "its startup probe failed 2 times in a row: GET /: status 503"


async def test_without_probes_a_worker_is_ready_at_once() -> None:
    assert await Worker().probes(ProbesConfig()).get_ready() == ""


async def test_liveness_ends_the_watch_and_readiness_only_tells() -> None:
    worker = Worker(liveness=["", "no", "", "no", "no", "no"], readiness=["no"])
    probes = worker.probes(ProbesConfig(liveness=probe("liveness"), readiness=probe("readiness", failures=1)))
    with anyio.fail_after(10):
        assert await probes.watch() == "its liveness probe failed 3 times in a row: no"
    assert worker.readiness == ["its readiness probe failed: no"]


async def test_readiness_comes_back() -> None:
    worker = Worker(readiness=["no", "no", ""])
    told = anyio.Event()

    def take(then: Callable[[str], None]) -> Callable[[str], None]:
        def on_readiness(reason: str) -> None:
            then(reason)
            if not reason:
                told.set()

        return on_readiness

    probes = ProbeRunner(
        ProbesConfig(readiness=probe("readiness", failures=2)), worker.ask, take(worker.readiness.append)
    )
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(probes.watch)
        with anyio.fail_after(10):
            await told.wait()
        tasks.cancel_scope.cancel()
    assert worker.readiness == ["its readiness probe failed 2 times in a row: no", ""]
