"""Entries by name and by pattern: the targets of a topic's records."""

from __future__ import annotations

from typing import Any, cast

import pytest

from pywatt_services.kafka_hooks.delivering.targets import Targets
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import RetryPolicy
from pywatt_services.kafka_hooks.webhooks.target_name import target_name


class Made:
    """A target that only stores its arguments."""

    def __init__(self, options: WebhookOptions, duplicate_index: int) -> None:
        self.options = options
        self.duplicate_index = duplicate_index
        self.id = target_name(options.url, duplicate_index).id
        self.other_targets: frozenset[int] = frozenset()


def entry(topic: str, url: str = "http://x/", **more: Any) -> WebhookOptions:
    return WebhookOptions(topic=topic, url=url, **more)


def targets(*entries: WebhookOptions) -> Targets:
    return Targets(
        entries,
        lambda options, duplicate_index: cast("Webhook", Made(options, duplicate_index)),
        retries,
        never=["orders.dlq"],
    )


def retries(options: WebhookOptions) -> Webhook:
    return cast("Webhook", Made(options, -1))


def seen(found: Any) -> list[tuple[str, str, int]]:
    return [(made.options.topic, made.options.url, made.duplicate_index) for made in found]


def test_a_topic_has_the_targets_that_name_it_and_those_whose_pattern_means_it() -> None:
    found = targets(
        entry("orders.*", "http://all/", by_pattern=True), entry("orders.eu"), entry("orders.e.*", by_pattern=True)
    )
    assert found.names == ("orders.eu",)
    assert list(found) == ["orders.eu"]
    assert seen(found["orders.eu"]) == [
        ("orders.eu", "http://x/", 0),
        ("orders.eu", "http://all/", 0),
        ("orders.eu", "http://x/", 1),
    ]
    assert seen(found["orders.us"]) == [("orders.us", "http://all/", 0)]
    ids = {made.id for made in found["orders.eu"]}
    assert len(ids) == 3
    assert all(made.other_targets == ids - {made.id} for made in found["orders.eu"])
    assert found["orders.us"] is found["orders.us"]
    assert list(found) == ["orders.eu", "orders.us"]
    assert not any(made.options.by_pattern for made in found["orders.us"])
    assert found.pattern is not None


def test_retry_topics_are_read_by_name() -> None:
    found = targets(
        entry("orders.*", by_pattern=True, retry=RetryPolicy(topic="all-retry")),
        entry("orders.eu", retry=RetryPolicy(topic="eu-retry")),
    )
    assert found.names == ("orders.eu", "all-retry", "eu-retry")
    assert found.retry_topics == {"all-retry", "eu-retry"}
    assert [made.duplicate_index for made in cast("Any", found["eu-retry"])] == [-1]


def test_nobody_wants_other_topics() -> None:
    found = targets(entry("orders.*", by_pattern=True))
    for topic in ("orders.dlq", "payments", "__orders"):
        with pytest.raises(KeyError):
            found[topic]
    assert targets(entry("orders")).pattern is None
