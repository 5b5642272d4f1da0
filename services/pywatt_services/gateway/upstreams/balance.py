"""Chooses one of several upstreams (pure)."""

from __future__ import annotations

from collections.abc import Sequence

from pywatt.mesh.balance import least_busy


class Balance:
    """The turns of some upstreams with weights.

    With equal weights, the one with the fewest requests in flight gets the next request. Different weights are shares
    of the requests: those are dealt out in turns, as nginx does it, so that shares are exact and evenly mixed.
    """

    def __init__(self, weights: Sequence[int]) -> None:
        self._weights = tuple(weights)
        self._current = [0] * len(weights)
        self._equal = len({weight for weight in weights if weight}) <= 1
        self._turn = 0

    def choose(self, available: Sequence[int], in_flight: Sequence[int]) -> int | None:
        """Return the index of the next one; None without one. `available`: indexes of those that may be chosen.

        `in_flight`: the number of requests of each upstream, available or not.
        """
        some = [index for index in available if self._weights[index]]
        if len(some) <= 1:
            return some[0] if some else None
        if self._equal:
            self._turn += 1
            return some[least_busy([in_flight[index] for index in some], self._turn)]
        total = 0
        for index in some:
            self._current[index] += self._weights[index]
            total += self._weights[index]
        best = max(some, key=lambda index: self._current[index])
        self._current[best] -= total
        return best
