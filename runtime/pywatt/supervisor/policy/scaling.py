"""Scaling policy: the number of workers of each service (pure). docs/workers.md states the rules."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pywatt.config.model import ScalingConfig, Signal

UP_WINDOW = 10.0
"""Seconds over whose mean a service has too much to do."""
DOWN_WINDOW = 60.0
"""Seconds over whose mean it has too little. Original: the same two."""


@dataclass(frozen=True, slots=True)
class Sample:
    """The load of a service at one moment: the mean of each signal over its workers."""

    at: float
    values: Mapping[Signal, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Load:
    """One service that scales."""

    id: str
    config: ScalingConfig
    workers: int
    samples: tuple[Sample, ...] = ()
    """Oldest first; since the last change."""
    changed_at: float | None = None
    """Time of the last change of the number of workers."""
    memory: int = 0
    """Bytes that its workers use together."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """The shared budget of all services that scale."""

    workers: int
    memory: int
    """Bytes."""
    free_memory: int
    """Unused bytes."""


@dataclass(frozen=True, slots=True)
class Change:
    """A service is to have another number of workers."""

    id: str
    workers: int
    reason: str


def kept(samples: Iterable[Sample], now: float) -> tuple[Sample, ...]:
    """Return the samples that still count, with the newest of those before the longer window: it shows its length."""
    whole = tuple(samples)
    first = next((index for index, sample in enumerate(whole) if sample.at > now - DOWN_WINDOW), len(whole))
    return whole[max(0, first - 1) :]


def decide(loads: Sequence[Load], budget: Budget, now: float) -> list[Change]:
    """Return the changes to make: one worker less for each idle service, one more where the pressure is highest."""
    changes = [change for load in loads if (change := _bound(load)) is not None]
    settled = [load for load in loads if all(load.id != change.id for change in changes) and _may_change(load, now)]
    idle = [load for load in settled if _idle(load, now)]
    changes += [Change(load.id, load.workers - 1, "it has little to do") for load in idle]
    hot = [(_pressure(load, now), load) for load in settled if load not in idle]
    for (pressure, reason), load in sorted(hot, key=lambda one: one[0][0], reverse=True):
        if pressure > 1 and _affordable(load, loads, changes, budget):
            return [*changes, Change(load.id, load.workers + 1, reason)]
    return changes


def _bound(load: Load) -> Change | None:
    """Return the way back between its bounds, which a command or a new configuration has left."""
    bounded = max(load.config.minimum, min(load.workers, load.config.maximum or load.workers))
    return Change(load.id, bounded, "of its bounds") if bounded != load.workers else None


def _may_change(load: Load, now: float) -> bool:
    return load.changed_at is None or now - load.changed_at >= load.config.cooldown


def _means(load: Load, window: float, now: float) -> Mapping[Signal, float]:
    """Return the mean of each signal over the last `window` seconds; nothing when the samples do not reach that far."""
    if not load.samples or load.samples[0].at > now - window:
        return {}
    means = {}
    for signal in load.config.signals:
        values = [each.values[signal] for each in load.samples if each.at > now - window and signal in each.values]
        if values:
            means[signal] = sum(values) / len(values)
    return means


def _pressure(load: Load, now: float) -> tuple[float, str]:
    """Return how many times its bound a signal is, for the worst one, and that in words."""
    worst, reason = 0.0, ""
    for signal, mean in _means(load, UP_WINDOW, now).items():
        up = load.config.signals[signal].up
        if mean / up > worst:
            worst = mean / up
            reason = f"{signal.value} was {mean:.3g} over {UP_WINDOW:g} s, and more than {up:g} is too much"
    return worst, reason


def _idle(load: Load, now: float) -> bool:
    """Return whether every signal is low, and would be low enough for one worker less."""
    means = _means(load, DOWN_WINDOW, now)
    if load.workers <= load.config.minimum or not means:
        return False
    with_one_less = load.workers / (load.workers - 1)
    bounds = load.config.signals
    return all(
        mean < bounds[signal].down and mean * with_one_less < bounds[signal].up for signal, mean in means.items()
    )


def _affordable(load: Load, loads: Sequence[Load], changes: Sequence[Change], budget: Budget) -> bool:
    one_more = load.memory // max(1, load.workers)
    less = sum(1 for change in changes if change.workers < _workers(change.id, loads))
    return (
        (load.config.maximum is None or load.workers < load.config.maximum)
        and sum(each.workers for each in loads) - less < budget.workers
        and sum(each.memory for each in loads) + one_more <= budget.memory
        and one_more <= budget.free_memory
    )


def _workers(service_id: str, loads: Sequence[Load]) -> int:
    return next(load.workers for load in loads if load.id == service_id)
