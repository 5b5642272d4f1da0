"""The delay before a retry grows by its factor, up to the longest one, and of all retries."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import pywatt.backoff
import pywatt_kafka.backoff


@pytest.mark.parametrize("backoff", [pywatt.backoff.backoff, pywatt_kafka.backoff.backoff])
def test_delay_grows_to_the_longest(backoff: Callable[..., float]) -> None:
    assert [backoff(retry, first=0.5, longest=5) for retry in range(6)] == [0.5, 1, 2, 4, 5, 5]
    assert [backoff(retry, first=1, longest=9, factor=1) for retry in range(3)] == [1, 1, 1]
    assert [backoff(retry, first=2, longest=9, factor=1.5) for retry in range(5)] == [2, 3, 4.5, 6.75, 9]


@pytest.mark.parametrize("backoff", [pywatt.backoff.backoff, pywatt_kafka.backoff.backoff])
def test_retries_may_go_on_for_ever(backoff: Callable[..., float]) -> None:
    assert backoff(10**9, first=0.1, longest=30, factor=1.5) == 30
