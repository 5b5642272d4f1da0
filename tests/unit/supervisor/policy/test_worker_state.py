from __future__ import annotations

import itertools

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pywatt.supervisor.policy.worker_state import IllegalTransitionError, WorkerEvent, WorkerState, transition


def test_a_worker_goes_from_starting_over_ready_and_stopping_to_exited() -> None:
    state = WorkerState.STARTING
    for event in (WorkerEvent.REPORTED_READY, WorkerEvent.ASKED_TO_STOP, WorkerEvent.EXITED):
        state = transition(state, event)
    assert state is WorkerState.EXITED


@pytest.mark.parametrize("event", WorkerEvent)
def test_nothing_happens_to_a_worker_that_has_exited(event: WorkerEvent) -> None:
    with pytest.raises(IllegalTransitionError):
        transition(WorkerState.EXITED, event)


def test_a_worker_can_exit_in_every_state_but_exited() -> None:
    for state in set(WorkerState) - {WorkerState.EXITED}:
        assert transition(state, WorkerEvent.EXITED) is WorkerState.EXITED


def test_being_asked_twice_to_stop_is_a_fault() -> None:
    with pytest.raises(IllegalTransitionError, match="stopping cannot be asked to stop"):
        transition(WorkerState.STOPPING, WorkerEvent.ASKED_TO_STOP)


@given(st.lists(st.sampled_from(WorkerEvent), max_size=8))
def test_a_worker_that_was_asked_to_stop_is_never_ready_again(events: list[WorkerEvent]) -> None:
    state = WorkerState.STARTING
    states = [state]
    for event in events:
        try:
            state = transition(state, event)
        except IllegalTransitionError:
            break
        states.append(state)
    for before, after in itertools.pairwise(states):
        if before in (WorkerState.STOPPING, WorkerState.EXITED):
            assert after is not WorkerState.READY
