"""Dead letters over HTTP: what `pywatt kafka dlq` does, for the dead-letter topics of this service.

GET    /dlq                              the topics
GET    /dlq/:topic                       letters; ?from ?error ?key ?olderThan ?newerThan (seconds) ?limit
GET    /dlq/:topic/:partition@:offset    one letter in full
POST   /dlq/:topic/redrive               the same filters, and ?again ?dryRun ?rate
DELETE /dlq/:topic                       ?all, ?redriven or ?olderThan, and ?dryRun
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import aclosing
from typing import Any
from urllib.parse import parse_qsl

from pywatt_kafka.cluster import list_topics
from pywatt_kafka.dlq.box import open_box
from pywatt_kafka.dlq.letter import Filter
from pywatt_kafka.dlq.shown import in_full, summary
from pywatt_kafka.security import Security
from pywatt_services.kafka_hooks.answers import HttpAnswer, document, no_route, no_topic
from pywatt_services.kafka_hooks.exchange import Request
from pywatt_services.kafka_hooks.routes import path_segments

LIMIT = 100  # letters, unless the client asks for fewer or more
MOST = 10_000
FILTERS = frozenset({"from", "error", "key", "olderThan", "newerThan"})
YES = frozenset({"", "1", "true"})


class DeadLetterApi:
    """Answers for some dead-letter topics."""

    def __init__(self, brokers: Sequence[str], topics: Collection[str], security: Security | None = None) -> None:
        self._brokers = brokers
        self._security = security
        self._topics = frozenset(topics)

    async def answer(self, request: Request) -> HttpAnswer:
        """Answer a request below /dlq. Raises ValueError for a query that makes no sense, KafkaError."""
        query = dict(parse_qsl(request.query.decode("latin-1"), keep_blank_values=True))
        segments = path_segments(request.path)[1:]
        if segments and segments[0] not in self._topics:
            return no_topic(segments[0])
        match request.method, segments:
            case "GET", ():
                return await self._list_topics(query)
            case "GET", (topic,):
                return await self._list(topic, query)
            case "GET", (topic, place):
                return await self._show(topic, place, query)
            case "POST", (topic, "redrive"):
                return await self._redrive(topic, query)
            case "DELETE", (topic,):
                return await self._purge(topic, query)
        return no_route(request.method, request.target)

    async def _list_topics(self, query: Mapping[str, str]) -> HttpAnswer:
        _check(query, frozenset())
        found = await list_topics(self._brokers, lambda name: name in self._topics, security=self._security)
        return document({"topics": [{"topic": topic.name, "letters": topic.records} for topic in found]})

    async def _list(self, topic: str, query: Mapping[str, str]) -> HttpAnswer:
        _check(query, FILTERS | {"limit"})
        limit = int(query.get("limit", LIMIT))
        if not 0 < limit <= MOST:
            raise ValueError(f"limit is not from 1 to {MOST}")
        letters: list[Any] = []
        async with (
            open_box(self._brokers, topic, security=self._security) as box,
            aclosing(box.letters(_filter(query))) as found,
        ):
            async for each in found:
                letters.append(summary(each))
                if len(letters) == limit:
                    break
            return document({"letters": letters, "noLetters": box.strange})

    async def _show(self, topic: str, place: str, query: Mapping[str, str]) -> HttpAnswer:
        _check(query, frozenset())
        partition, _, offset = place.partition("@")
        chosen = Filter(place=(int(partition), int(offset)))
        async with (
            open_box(self._brokers, topic, security=self._security) as box,
            aclosing(box.letters(chosen)) as found,
        ):
            async for each in found:
                return document(in_full(each))
        return document({"statusCode": 404, "error": "Not Found", "message": f"No dead letter {place}."}, 404)

    async def _redrive(self, topic: str, query: Mapping[str, str]) -> HttpAnswer:
        _check(query, FILTERS | {"again", "dryRun", "rate"})
        rate = _number(query, "rate")
        if rate is not None and rate <= 0:
            raise ValueError("rate is not above 0")
        dry_run = _is_set(query, "dryRun")
        async with open_box(self._brokers, topic, security=self._security) as box:
            outcome = await box.redrive(_filter(query), again=_is_set(query, "again"), dry_run=dry_run, rate=rate)
        return document({"dryRun": dry_run, **outcome.as_document()})

    async def _purge(self, topic: str, query: Mapping[str, str]) -> HttpAnswer:
        _check(query, frozenset({"all", "redriven", "olderThan", "dryRun"}))
        redriven, older_than = _is_set(query, "redriven"), _number(query, "olderThan")
        if not (_is_set(query, "all") or redriven or older_than is not None):
            raise ValueError("say which letters: all, redriven or olderThan")
        dry_run = _is_set(query, "dryRun")
        async with open_box(self._brokers, topic, security=self._security) as box:
            until = await box.purgeable(redriven=redriven, older_than=older_than)
            count = await (box.count(until) if dry_run else box.purge(until))
        return document({"dryRun": dry_run, "deleted": count})


def _check(query: Mapping[str, str], known: Collection[str]) -> None:
    """Refuse what is not known: a filter with a typing error would mean all letters."""
    if unknown := set(query) - set(known):
        raise ValueError(f"{min(unknown)} is not known here")


def _filter(query: Mapping[str, str]) -> Filter:
    key = query.get("key")
    return Filter(
        topic=query.get("from"),
        error=query.get("error"),
        key=None if key is None else key.encode(),
        older_than=_number(query, "olderThan"),
        newer_than=_number(query, "newerThan"),
    )


def _number(query: Mapping[str, str], name: str) -> float | None:
    return float(query[name]) if name in query else None


def _is_set(query: Mapping[str, str], name: str) -> bool:
    return query.get(name, "no").lower() in YES
