"""A worker slot as a state machine: the worker's states and the restart policy together."""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from pywatt.config.model import RestartConfig, RestartPolicy
from pywatt.supervisor.policy.restart import JITTER, STABLE_TIME, GiveUp, RestartHistory, StartAgain, after_exit
from pywatt.supervisor.policy.worker_state import WorkerEvent, WorkerState, transition

policies = st.builds(
    RestartConfig,
    policy=st.sampled_from(RestartPolicy),
    delay=st.sampled_from([0.0, 1.0]),
    longest_delay=st.floats(0, 300),
    intensity=st.integers(0, 5),
    period=st.floats(0, 120),
)


class Slot(RuleBasedStateMachine):
    """Runs a slot as the supervisor does, and a model of the policy's guarantees."""

    def __init__(self) -> None:
        super().__init__()
        self.now = 0.0
        self.alive = 0
        self.ready = 0
        self.worker: WorkerState | None = None
        self.told_to_end = False
        self.ready_at: float | None = None
        self.start_at: float | None = 0.0
        self.history = RestartHistory()
        self.down: GiveUp | None = None
        self.failures: list[float] = []
        self.unstable = 0

    @initialize(policy=policies)
    def choose(self, policy: RestartConfig) -> None:
        self.policy = policy

    @rule(seconds=st.floats(0, 2 * STABLE_TIME))
    def time_passes(self, seconds: float) -> None:
        self.now += seconds

    @precondition(lambda self: self.start_at is not None and self.now >= self.start_at)
    @rule()
    def start(self) -> None:
        self.worker, self.start_at, self.ready_at = WorkerState.STARTING, None, None
        self.alive += 1

    @precondition(lambda self: self.worker in (WorkerState.STARTING, WorkerState.STOPPING) and self.ready_at is None)
    @rule()
    def report_ready(self) -> None:
        assert self.worker is not None
        self.worker = transition(self.worker, WorkerEvent.REPORTED_READY)
        self.ready_at = self.now
        self.ready += self.worker is WorkerState.READY

    @precondition(lambda self: self.worker in (WorkerState.STARTING, WorkerState.READY))
    @rule()
    def ask_to_stop(self) -> None:
        assert self.worker is not None
        self.ready -= self.worker is WorkerState.READY
        self.worker = transition(self.worker, WorkerEvent.ASKED_TO_STOP)
        self.told_to_end = True

    @precondition(lambda self: self.worker is not None)
    @rule(exit_code=st.sampled_from([0, 1, -9, -15, 70]), random=st.floats(0, 1, exclude_max=True))
    def exit(self, exit_code: int, random: float) -> None:
        assert self.worker is not None
        self.ready -= self.worker is WorkerState.READY
        self.alive -= 1
        assert transition(self.worker, WorkerEvent.EXITED) is WorkerState.EXITED
        self.worker = None
        if self.told_to_end:
            self.down = GiveUp(failed=False)
            return
        ready_seconds = 0.0 if self.ready_at is None else self.now - self.ready_at
        self.history, decision = after_exit(
            self.history,
            self.policy,
            exit_code=exit_code,
            ready_seconds=ready_seconds,
            now=self.now,
            random=random,
        )
        self._check(decision, exit_code, ready_seconds)
        if isinstance(decision, StartAgain):
            self.start_at = self.now + decision.delay
        else:
            self.down = decision

    @precondition(lambda self: self.start_at is not None or self.down is not None)
    @rule()
    def somebody_steps_in(self) -> None:
        """A command or a changed file resets the slot."""
        self.history, self.start_at, self.down, self.told_to_end = RestartHistory(), self.now, None, False
        self.failures, self.unstable = [], 0

    def _check(self, decision: StartAgain | GiveUp, exit_code: int, ready_seconds: float) -> None:
        policy = self.policy.policy
        clean = exit_code == 0
        if policy is RestartPolicy.TEMPORARY or (policy is RestartPolicy.TRANSIENT and clean):
            assert decision == GiveUp(failed=not clean)
            return
        assert isinstance(decision, StartAgain)
        self.failures = [time for time in self.failures if self.now - time < self.policy.period] + [self.now]
        assert decision.crash_loop is (len(self.failures) > self.policy.intensity)
        self.unstable = 1 if ready_seconds >= STABLE_TIME else self.unstable + 1
        longest = max(self.policy.delay, self.policy.longest_delay * (1 + JITTER))
        assert self.policy.delay <= decision.delay <= longest
        if self.unstable == 1:
            assert decision.delay == self.policy.delay

    @invariant()
    def at_most_one_worker_lives_and_serves(self) -> None:
        assert 0 <= self.ready <= self.alive <= 1

    @invariant()
    def a_slot_is_filled_or_will_be_or_is_down(self) -> None:
        assert [self.worker is not None, self.start_at is not None, self.down is not None].count(True) == 1

    @invariant()
    def who_was_asked_to_stop_serves_no_more(self) -> None:
        assert not (self.told_to_end and self.ready)


TestSlot = Slot.TestCase
TestSlot.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
