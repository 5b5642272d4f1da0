"""Kafka's rule for the names of topics."""

from __future__ import annotations

import pytest

from pywatt_kafka import UnknownTopic
from pywatt_kafka.engine.topic_names import check_topic_name


@pytest.mark.parametrize("name", ["a", "orders", "a.b_c-1", "...", "x" * 249])
def test_legal_names(name: str) -> None:
    check_topic_name(name)


@pytest.mark.parametrize("name", ["", ".", "..", "no such name", "a/b", "ä", "a\n", "x" * 250])
def test_names_that_no_topic_can_have(name: str) -> None:
    with pytest.raises(UnknownTopic, match="no legal name"):
        check_topic_name(name)
