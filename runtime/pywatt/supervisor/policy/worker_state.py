"""The states of one worker process, and the only function that changes them (pure)."""

from __future__ import annotations

import enum


class WorkerState(enum.Enum):
    """The state of one incarnation of a worker."""

    STARTING = "starting"
    READY = "ready"
    STOPPING = "stopping"
    EXITED = "exited"


class WorkerEvent(enum.Enum):
    """The events in a worker's life."""

    REPORTED_READY = "reported ready"
    ASKED_TO_STOP = "asked to stop"
    EXITED = "exited"


class IllegalTransitionError(RuntimeError):
    """An event came that the state does not allow: a fault in the supervisor or in the worker's protocol."""


_TRANSITIONS = {
    (WorkerState.STARTING, WorkerEvent.REPORTED_READY): WorkerState.READY,
    (WorkerState.STARTING, WorkerEvent.ASKED_TO_STOP): WorkerState.STOPPING,
    (WorkerState.STARTING, WorkerEvent.EXITED): WorkerState.EXITED,
    (WorkerState.READY, WorkerEvent.ASKED_TO_STOP): WorkerState.STOPPING,
    (WorkerState.READY, WorkerEvent.EXITED): WorkerState.EXITED,
    # A worker that got ready just as it was asked to stop: its message was already under way.
    (WorkerState.STOPPING, WorkerEvent.REPORTED_READY): WorkerState.STOPPING,
    (WorkerState.STOPPING, WorkerEvent.EXITED): WorkerState.EXITED,
}


def transition(state: WorkerState, event: WorkerEvent) -> WorkerState:
    """Return the state after the event. Raises IllegalTransitionError."""
    try:
        return _TRANSITIONS[state, event]
    except KeyError:
        raise IllegalTransitionError(f"a worker that is {state.value} cannot be {event.value}") from None
