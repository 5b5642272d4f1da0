"""The names that a pattern matches, and the patterns that are rejected."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from pywatt_services.kafka_hooks.patterns.topic_patterns import check_pattern, expression, matches, own_topics
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions


@dataclass(frozen=True)
class Reply:
    request_topic: str
    response_topic: str


@pytest.mark.parametrize("pattern", [r"orders\..*", "(a|b)-x", "(?i:orders)", r"a\\1", ".*"])
def test_good_patterns(pattern: str) -> None:
    check_pattern(pattern)


@pytest.mark.parametrize(
    ("pattern", "reason"),
    [
        ("orders(", "at character"),
        ("*", "nothing to repeat"),
        ("(?i)orders", "flags stand in a group"),
        (r"(a)\1", "cannot be referred to"),
        ("(?P<x>a)", "cannot have names"),
        ("a)(b", "unbalanced"),
    ],
)
def test_bad_patterns(pattern: str, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        check_pattern(pattern)


def test_whole_names_that_a_topic_can_have_and_nobody_else_uses() -> None:
    pattern = expression([r"orders\..*", "(a|b)+"], ["orders.dlq"])
    assert matches("orders.eu", pattern)
    assert matches("abba", pattern)
    assert matches("orders.dlq2", pattern)
    assert not matches("orders", pattern)
    assert not matches("my-orders.eu", pattern)
    assert not matches("abbac", pattern)
    assert not matches("orders.dlq", pattern)
    assert not matches("orders.a b", pattern)
    assert not matches("orders.eu\n", pattern)
    assert not matches("orders.eu", None)
    everything = expression([".*"], [])
    assert matches("x", everything)
    assert not matches("__consumer_offsets", everything)
    assert not matches("", everything)
    assert expression([], ["x"]) is None


def test_what_the_service_writes_is_its_own() -> None:
    webhooks = [
        WebhookOptions(topic="a", url="http://x/", dlq="a-dlq"),
        WebhookOptions(topic="b", url="http://x/", dlq=None),
    ]
    assert own_topics(webhooks, [Reply("in", "out")]) == {"a-dlq", "plt-kafka-hooks-dlq", "in", "out"}
