"""Serves dead letters over HTTP, as `pywatt kafka dlq` does, for the dead-letter topics of this service.

GET    /dlq                              the topics
GET    /dlq/:topic                       letters; ?from ?error ?key ?olderThan ?newerThan (90, 90s, 1h) ?limit
GET    /dlq/:topic/:partition@:offset    one letter in full
POST   /dlq/:topic/redrive               the same filters, and ?again ?dryRun ?rate ?to
POST   /dlq/:topic/:partition@:offset/redrive   ?again ?dryRun ?to
DELETE /dlq/:topic                       ?all, ?redriven or ?olderThan, and ?dryRun
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from contextlib import aclosing
from typing import Any

from pywatt_kafka.admin.topics import list_topics
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.json_view import full_document, summary_document
from pywatt_kafka.dlq.topic import open_dead_letter_topic
from pywatt_kafka.security.options import Security
from pywatt_services.kafka_hooks.admin.dead_letter_query import FILTERS, Query, read_place
from pywatt_services.kafka_hooks.http.exchange import Request
from pywatt_services.kafka_hooks.http.responses import HttpResponse, document, no_route, no_topic
from pywatt_services.kafka_hooks.http.routes import path_segments

REDRIVE = frozenset({"again", "dryRun", "to"})


class DeadLetterApi:
    """Serves the given dead-letter topics."""

    def __init__(self, brokers: Sequence[str], topics: Collection[str], security: Security | None = None) -> None:
        self._brokers = brokers
        self._security = security
        self._topics = frozenset(topics)

    async def answer(self, request: Request) -> HttpResponse:
        """Respond to a request below /dlq. Raises ValueError for an invalid query, KafkaError."""
        query, segments = request.query, path_segments(request.path)[1:]
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
                return await self._redrive(topic, Query(query, FILTERS | REDRIVE | {"rate"}))
            case "POST", (topic, place, "redrive"):
                return await self._redrive_one(topic, place, Query(query, REDRIVE))
            case "DELETE", (topic,):
                return await self._purge(topic, Query(query, {"all", "redriven", "olderThan", "dryRun"}))
        return no_route(request.method, request.target)

    async def _list_topics(self, query: bytes) -> HttpResponse:
        Query(query, ())
        found = await list_topics(self._brokers, lambda name: name in self._topics, security=self._security)
        return document({"topics": [{"topic": topic.name, "letters": topic.records} for topic in found]})

    async def _list(self, topic: str, raw: bytes) -> HttpResponse:
        query = Query(raw, FILTERS | {"limit"})
        limit, chosen = query.limit(), query.filter()
        letters: list[Any] = []
        async with (
            open_dead_letter_topic(self._brokers, topic, security=self._security) as dead_letters,
            aclosing(dead_letters.letters(chosen)) as found,
        ):
            async for each in found:
                letters.append(summary_document(each))
                if len(letters) == limit:
                    break
            return document({"letters": letters, "noLetters": dead_letters.unreadable})

    async def _show(self, topic: str, place: str, query: bytes) -> HttpResponse:
        Query(query, ())
        async with (
            open_dead_letter_topic(self._brokers, topic, security=self._security) as dead_letters,
            aclosing(dead_letters.letters(Filter(place=read_place(place)))) as found,
        ):
            async for each in found:
                return document(full_document(each))
        return _no_letter(place)

    async def _redrive(self, topic: str, query: Query) -> HttpResponse:
        chosen, rate = query.filter(), query.rate()
        return document(await self._send_back(topic, chosen, query, rate))

    async def _redrive_one(self, topic: str, place: str, query: Query) -> HttpResponse:
        outcome = await self._send_back(topic, Filter(place=read_place(place)), query)
        none = not (outcome["redriven"] or outcome["failed"] or outcome["redrivenBefore"])
        return _no_letter(place) if none else document(outcome)

    async def _send_back(
        self, topic: str, chosen: Filter, query: Query, rate: float | None = None
    ) -> dict[str, object]:
        to, again, dry_run = query.topic("to"), query.is_set("again"), query.is_set("dryRun")
        async with open_dead_letter_topic(self._brokers, topic, security=self._security) as dead_letters:
            outcome = await dead_letters.redrive(chosen, to=to, again=again, dry_run=dry_run, rate=rate)
        return {"dryRun": dry_run, **outcome.as_document()}

    async def _purge(self, topic: str, query: Query) -> HttpResponse:
        redriven, older_than, dry_run = query.is_set("redriven"), query.age("olderThan"), query.is_set("dryRun")
        if not (query.is_set("all") or redriven or older_than is not None):
            raise ValueError("Say which letters: all, redriven or olderThan (90s, 15m, 12h, 7d).")
        async with open_dead_letter_topic(self._brokers, topic, security=self._security) as dead_letters:
            until = await dead_letters.purgeable(redriven=redriven, older_than=older_than)
            count = await (dead_letters.count(until) if dry_run else dead_letters.purge(until))
        return document({"dryRun": dry_run, "deleted": count})


def _no_letter(place: str) -> HttpResponse:
    return document({"statusCode": 404, "error": "Not Found", "message": f"No dead letter {place}."}, 404)
