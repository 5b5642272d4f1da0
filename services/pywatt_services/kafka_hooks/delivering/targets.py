"""Maps each topic to its targets: entries that name it, then entries whose pattern matches it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace

from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.patterns.topic_patterns import expression, matches
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions


class Targets(Mapping[str, Sequence[Webhook]]):
    """Targets by topic: of named topics from the start, of others from their first use."""

    def __init__(
        self,
        entries: Iterable[WebhookOptions],
        make: Callable[[WebhookOptions, int], Webhook],
        make_retries: Callable[[WebhookOptions], Webhook],
        *,
        never: Iterable[str] = (),
    ) -> None:
        """`make` takes an entry with its topic's own name, and the number of earlier ones for the same topic and URL.

        `make_retries` takes an entry with a retry topic. `never`: topics that no pattern matches.
        """
        entries, never = list(entries), list(never)
        self._make = make
        self._named = [entry for entry in entries if not entry.by_pattern]
        self._by_pattern = [
            (expression([entry.topic], never), replace(entry, by_pattern=False))
            for entry in entries
            if entry.by_pattern
        ]
        self.pattern = expression([entry.topic for entry in entries if entry.by_pattern], never)
        """Matches the topics of all patterns; None without one."""
        self._targets: dict[str, list[Webhook]] = {}
        for entry in self._named:
            if entry.topic not in self._targets:
                self._targets[entry.topic] = self._make_all(entry.topic)
        self.retry_topics = frozenset(entry.retry.topic for entry in entries if entry.retry.topic is not None)
        """Topics of retry records, read from their first record to their last."""
        for entry in entries:
            if entry.retry.topic is not None:
                self._targets[entry.retry.topic] = [make_retries(entry)]
        self.names = tuple(self._targets)
        """The named topics."""

    def __getitem__(self, topic: str) -> Sequence[Webhook]:
        """Return the targets of a topic, created on first use. Raises KeyError when it has none."""
        found = self._targets.get(topic)
        if found is None:
            found = self._make_all(topic)
            if not found:
                raise KeyError(topic)
            self._targets[topic] = found
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(tuple(self._targets))

    def __len__(self) -> int:
        return len(self._targets)

    def _make_all(self, topic: str) -> list[Webhook]:
        entries = [entry for entry in self._named if entry.topic == topic]
        entries += (replace(entry, topic=topic) for pattern, entry in self._by_pattern if matches(topic, pattern))
        made: list[Webhook] = []
        for entry in entries:
            made.append(self._make(entry, sum(other.options.url == entry.url for other in made)))
        for target in made:
            target.other_targets = frozenset(other.id for other in made if other is not target)
        return made
