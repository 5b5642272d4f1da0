"""Counts the records that HTTP clients publish."""

from __future__ import annotations

from pywatt.metrics import kafka_families
from pywatt.metrics.recorder import Recorder, Value
from pywatt.metrics.status_classes import OTHER

MAX_TOPICS = 1000
"""Topics that are counted by themselves: a pattern may admit any number of names."""


class PublishedMetrics:
    """The counters of published records, by topic."""

    def __init__(self, recorder: Recorder) -> None:
        self._recorder = recorder
        self._topics: dict[str, Value] = {}

    def add(self, topic: str) -> None:
        """Count a record that the brokers have acknowledged."""
        value = self._topics.get(topic)
        if value is None:
            name = topic if len(self._topics) < MAX_TOPICS else OTHER
            value = self._topics[name] = self._recorder.value(kafka_families.HOOKS_PUBLISHED, name)
        value.add()
