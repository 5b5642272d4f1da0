"""The policy for records that cannot be deserialized."""

from __future__ import annotations

from typing import Any

import pytest

from pywatt_kafka.serde.bad_values import BadValuePolicy


@pytest.mark.parametrize(
    ("policy", "raises", "topic"),
    [
        (BadValuePolicy(), True, None),
        (BadValuePolicy("skip"), False, None),
        (BadValuePolicy("skip", "dead"), False, None),
        (BadValuePolicy("dlq", "dead"), False, "dead"),
        (BadValuePolicy("dlq"), False, "orders-dlq"),
    ],
)
def test_the_policy_decides(policy: BadValuePolicy, raises: bool, topic: str | None) -> None:
    assert (policy.raises, policy.dead_letter_topic("orders")) == (raises, topic)


@pytest.mark.parametrize(
    ("given", "message"), [(("ignore",), "'ignore'; it must be 'fail', 'skip' or 'dlq'"), (("dlq", ""), "dlq is empty")]
)
def test_words_without_a_meaning_are_refused(given: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        BadValuePolicy(*given)
