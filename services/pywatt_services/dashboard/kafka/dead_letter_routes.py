"""Dead letters: pages of any topic, however many there are, and what can be done with them.

GET   /api/v1/kafka/dlq
GET   /api/v1/kafka/dlq/<topic>?limit=50&before=0:120,1:98&error=503&key=...&from=orders
GET   /api/v1/kafka/dlq/<topic>/<partition>@<offset>
POST  /api/v1/kafka/dlq/<topic>/redrive  {"place": "0@17"} or {"filter": {...}}, "dryRun", "rate", "to", "again"
POST  /api/v1/kafka/dlq/<topic>/purge    {"redriven": true} or {"olderThan": "7d"} or {"all": true}, "dryRun"
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import aclosing
from http import HTTPStatus
from typing import Any

from quart import Blueprint, request

from pywatt_kafka.admin.topics import list_topics
from pywatt_kafka.dlq.dead_letter import Filter
from pywatt_kafka.dlq.durations import parse_duration
from pywatt_kafka.dlq.json_view import full_document, summary_document
from pywatt_kafka.dlq.topic import DeadLetterTopic, open_dead_letter_topic
from pywatt_services.dashboard.kafka.clusters import AppClusters
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.dlq import NAME, letter_place

MOST_LETTERS = 500
SCANNED = 20_000
"""Letters that one page looks at, at most, to find those that a filter selects."""
Bounds = Mapping[int, tuple[int, int]]


def dead_letter_routes(clusters: AppClusters) -> Blueprint:
    """Return the routes."""
    routes = Blueprint("dead_letters", __name__)

    async def cluster() -> Cluster:
        return await clusters.chosen(request.args.get("cluster"))

    @routes.get("/dlq")
    async def topics() -> dict[str, Any]:
        chosen = await cluster()
        found = await list_topics(
            chosen.brokers,
            lambda name: name in chosen.dead_letter_topics or NAME.search(name) is not None,
            security=chosen.security,
        )
        return {"topics": [{"topic": topic.name, "letters": topic.records} for topic in found]}

    @routes.get("/dlq/<topic>")
    async def letters(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        limit = max(1, min(int(request.args.get("limit", "50")), MOST_LETTERS))
        before = parse_cursor(request.args.get("before", ""))
        wanted = filter_of(request.args.to_dict())
        async with open_dead_letter_topic(chosen.brokers, topic, security=chosen.security) as found:
            return await page(found, wanted, limit, before)

    @routes.get("/dlq/<topic>/<place>")
    async def letter(topic: str, place: str) -> dict[str, Any] | tuple[dict[str, Any], int]:
        chosen = await cluster()
        wanted = Filter(place=letter_place(place))
        async with (
            open_dead_letter_topic(chosen.brokers, topic, security=chosen.security) as dead_letters,
            aclosing(dead_letters.letters(wanted)) as found,
        ):
            async for each in found:
                return full_document(each)
        return {"error": {"kind": "unknown", "message": f"{topic} has no dead letter {place}"}}, HTTPStatus.NOT_FOUND

    @routes.post("/dlq/<topic>/redrive")
    async def redrive(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        body = await request.get_json()
        wanted = Filter(place=letter_place(body["place"])) if body.get("place") else filter_of(body.get("filter") or {})
        dry_run = body.get("dryRun", False) is True
        async with open_dead_letter_topic(chosen.brokers, topic, security=chosen.security) as found:
            outcome = await found.redrive(
                wanted,
                to=body.get("to") or None,
                again=body.get("again", False) is True,
                rate=float(body["rate"]) if body.get("rate") else None,
                dry_run=dry_run,
            )
        return {"dryRun": dry_run, **outcome.as_document()}

    @routes.post("/dlq/<topic>/purge")
    async def purge(topic: str) -> dict[str, Any]:
        chosen = await cluster()
        body = await request.get_json()
        redriven, age = body.get("redriven", False) is True, body.get("olderThan")
        if not (redriven or age or body.get("all", False) is True):
            raise ValueError("say which letters: all, redriven or olderThan")
        async with open_dead_letter_topic(chosen.brokers, topic, security=chosen.security) as found:
            until = await found.purgeable(redriven=redriven, older_than=parse_duration(age) if age else None)
            dry_run = body.get("dryRun", False) is True
            count = await found.count(until) if dry_run else await found.purge(until)
        return {"dryRun": dry_run, "purged": count}

    return routes


async def page(topic: DeadLetterTopic, wanted: Filter, limit: int, before: Mapping[int, int]) -> dict[str, Any]:
    """Return the newest letters that a filter selects, below some offsets, and the cursor of the next page."""
    bounds = await topic.bounds()
    ends = {number: min(before.get(number, end), end) for number, (_, end) in bounds.items()}
    beginnings = {number: begin for number, (begin, _) in bounds.items()}
    rows: list[dict[str, Any]] = []
    scanned = 0
    while len(rows) < limit and scanned < SCANNED and any(ends[number] > beginnings[number] for number in ends):
        window = newest(beginnings, ends, limit)
        async with aclosing(topic.letters(wanted, within=window)) as letters:
            rows += [summary_document(each) async for each in letters]
        scanned += sum(end - begin for begin, end in window.values())
        ends |= {number: begin for number, (begin, _) in window.items()}
    rows.sort(key=lambda row: (row["since"], row["partition"], row["offset"]), reverse=True)
    more = any(ends[number] > beginnings[number] for number in ends)
    return {
        "letters": rows,
        "count": sum(end - begin for begin, end in bounds.values()),
        "scanned": scanned,
        "next": ",".join(f"{number}:{end}" for number, end in sorted(ends.items())) if more else None,
    }


def newest(beginnings: Mapping[int, int], ends: Mapping[int, int], count: int) -> dict[int, tuple[int, int]]:
    """Return the offsets of about so many of the last letters below the ends, over all partitions (pure)."""
    open_ = [number for number, end in ends.items() if end > beginnings[number]]
    share = -(-count // max(1, len(open_)))
    return {number: (max(beginnings[number], ends[number] - share), ends[number]) for number in open_}


def parse_cursor(text: str) -> dict[int, int]:
    """Parse the cursor of a page. Raises ValueError."""
    try:
        pairs = [pair.partition(":") for pair in text.split(",") if pair]
        return {int(number): int(offset) for number, _, offset in pairs}
    except ValueError as error:
        raise ValueError(f"{text!r} is no cursor of a page") from error


def filter_of(document: Mapping[str, Any]) -> Filter:
    """Return the filter of a request. Raises ValueError for a duration that is none."""
    older, newer, key = document.get("olderThan"), document.get("newerThan"), document.get("key")
    return Filter(
        topic=document.get("from") or None,
        error=document.get("error") or None,
        key=str(key).encode() if key else None,
        older_than=parse_duration(older) if older else None,
        newer_than=parse_duration(newer) if newer else None,
    )
