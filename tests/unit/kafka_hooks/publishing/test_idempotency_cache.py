"""The idempotency cache: expiry and size limit."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pywatt_services.kafka_hooks.publishing.idempotency_cache import IdempotencyCache


def test_answer_is_known_for_the_window() -> None:
    now = 0.0
    first: IdempotencyCache[str, int] = IdempotencyCache(10, clock=lambda: now)
    first.begin("k", b"f")
    first.end("k", 1, keep=True)
    now = 10.0
    assert (attempt := first.find("k")) is not None
    assert attempt.response == 1
    now = 10.1
    assert first.find("k") is None
    first.begin("k", b"g")
    assert (attempt := first.find("k")) is not None
    assert (attempt.response, attempt.fingerprint) == (None, b"g")


@given(st.lists(st.tuples(st.integers(0, 30), st.floats(0, 3))))
def test_memory_is_bounded(steps: list[tuple[int, float]]) -> None:
    now = 0.0
    first: IdempotencyCache[int, int] = IdempotencyCache(10, kept=5, clock=lambda: now)
    answered: dict[int, float] = {}
    for key, passed in steps:
        now += passed
        attempt = first.find(key)
        if attempt is None:
            first.begin(key, b"")
            first.end(key, key, keep=True)
            answered[key] = now
        else:
            assert (attempt.response, attempt.since) == (key, answered[key])
            assert now - attempt.since <= 10
        assert len(first) <= 5
