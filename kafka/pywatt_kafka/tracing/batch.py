"""The spans of a call that sends several records."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from opentelemetry.trace import SpanKind, set_span_in_context

from pywatt_kafka.tracing.attributes import BATCH, DESTINATION, Value, named
from pywatt_kafka.tracing.propagation import context_of, header_pairs, kept, link_to, with_context
from pywatt_kafka.tracing.received import Client
from pywatt_kafka.tracing.telemetry import Operation, Telemetry


class Batch:
    """The records of one call that sends several: `create` for each, and one `send` that links them."""

    def __init__(self, telemetry: Telemetry, client: Client) -> None:
        self._telemetry = telemetry
        self._client = client
        self._begun = time.time_ns()
        self._topics: list[str] = []
        self._links: list[Any] = []
        self._operation: Operation | None = None
        if not telemetry.creates:
            self._operation = telemetry.begin(("send", "send"), SpanKind.PRODUCER, None, client, {})

    def observed(self, messages: Iterable[Any]) -> Iterator[Any]:
        """Yield messages with their trace context; wrong ones as they are, for the client reports them."""
        for message in messages:
            topic = message.get("topic") if isinstance(message, Mapping) else None
            if isinstance(topic, str):
                self._topics.append(topic)
                yield {**message, "headers": self._headers(topic, message)}
            else:
                self._topics.append("")
                yield message

    def end(self, outcomes: Sequence[Any] | BaseException) -> None:
        """End `send` with the outcomes of the records, in their order, or with the error of all."""
        telemetry, client = self._telemetry, self._client
        topics = Counter(topic for topic in self._topics if topic)
        topic = next(iter(topics)) if len(topics) == 1 else None
        failures: list[BaseException]
        if isinstance(outcomes, BaseException):
            failures = [outcomes] * len(self._topics)
        else:
            failures = [each for each in outcomes if isinstance(each, BaseException)]
        operation = self._operation
        if operation is None:
            attributes: dict[str, Value] = {BATCH: len(self._topics)}
            operation = telemetry.begin(
                ("send", "send"), SpanKind.CLIENT, topic, client, attributes, links=self._links, begun=self._begun
            )
        else:
            found: dict[str, Value] = {BATCH: len(self._topics)}
            if topic is not None:
                operation.span.update_name(f"send {topic}")
                found[DESTINATION] = topic
            operation.span.set_attributes(named(found, telemetry.mode))
            for link in self._links:
                operation.span.add_link(link.context)
        error = outcomes if isinstance(outcomes, BaseException) else (failures[0] if failures else None)
        operation.end(error)
        self._count(outcomes)

    def _headers(self, topic: str, message: Mapping[str, Any]) -> Any:
        given = kept(message.get("headers"))
        pairs = header_pairs(given)
        if pairs is None:
            return given
        if self._operation is not None:
            headers: Any = with_context(pairs, set_span_in_context(self._operation.span))
            link = link_to(context_of(pairs))
        else:
            headers, link = self._telemetry.create(topic, message.get("key"), message.get("value"), pairs, self._client)
        if link is not None:
            self._links.append(link)
        return headers

    def _count(self, outcomes: Sequence[Any] | BaseException) -> None:
        counts: Counter[tuple[str, str]] = Counter()
        for number, topic in enumerate(self._topics):
            outcome = outcomes if isinstance(outcomes, BaseException) else outcomes[number]
            counts[topic, type(outcome).__name__ if isinstance(outcome, BaseException) else ""] += 1
        for (topic, error), count in counts.items():
            self._telemetry.count_sent(topic, error, count, self._client)
