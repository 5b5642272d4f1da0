"""The choice of a worker."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywatt.mesh.balance import least_busy


@given(st.lists(st.integers(0, 5), min_size=1), st.integers(0))
def test_a_least_busy_worker_is_chosen(in_flight: list[int], turn: int) -> None:
    assert in_flight[least_busy(in_flight, turn)] == min(in_flight)


def test_equally_busy_workers_take_turns() -> None:
    assert [least_busy([1, 0, 0], turn) for turn in range(4)] == [1, 2, 1, 2]
