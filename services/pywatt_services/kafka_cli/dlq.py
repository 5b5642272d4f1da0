"""`pywatt kafka dlq`: list, show, redrive and delete dead letters."""

from __future__ import annotations

import re
from collections.abc import Callable
from contextlib import aclosing
from time import time

import click

from pywatt.cli.output.table import counted, json_option, print_json, print_table
from pywatt_kafka.admin.topics import list_topics
from pywatt_kafka.dlq.dead_letter import ERROR_WIDTH, DeadLetter, Filter
from pywatt_kafka.dlq.durations import parse_duration
from pywatt_kafka.dlq.json_view import full_document, summary_document
from pywatt_kafka.dlq.redrive import Outcome
from pywatt_kafka.dlq.topic import FoundLetter, open_dead_letter_topic
from pywatt_kafka.json_bytes import text_or_base64
from pywatt_services.kafka_cli.cluster.connection_options import Command, connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import KafkaCommandError, run

NAME = re.compile(r"(^|[-_.])(dlq|dead-?letters?)($|[-_.])", re.IGNORECASE)
"""Matches the usual names of dead-letter topics, for listing them."""
LIMIT = 100  # letters
MINUTE, HOUR, DAY = 60.0, 3600.0, 86_400.0  # seconds


def duration(text: str) -> float:
    """Parse a duration such as 90s, 15m, 12h or 7d into seconds. Raises BadParameter."""
    try:
        return parse_duration(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


def letter_place(text: str) -> tuple[int, int]:
    """Parse PARTITION@OFFSET, as `list` shows letters. Raises BadParameter."""
    partition, at, offset = text.partition("@")
    if not at or not partition.isdecimal() or not offset.isdecimal():
        raise click.BadParameter(f"{text!r} is no letter: write PARTITION@OFFSET, as `list` shows them")
    return int(partition), int(offset)


def filters(command: Command) -> Command:
    """Add the options that select letters to a command."""
    options: list[Callable[[Command], Command]] = [
        click.option("--from", "origin", metavar="TOPIC", help="Only letters of records from that topic."),
        click.option("--error", metavar="TEXT", help="Only letters whose error has these words, or this status."),
        click.option("--key", help="Only letters of records with that key."),
        click.option("--older-than", type=duration, help="Such as 90s, 15m, 12h, 7d."),
        click.option("--newer-than", type=duration, help="Such as 90s, 15m, 12h, 7d."),
    ]
    for option in reversed(options):
        command = option(command)
    return command


@click.group()
def dlq() -> None:
    """Look at dead letters, send them back, delete them."""


@dlq.command("list")
@click.argument("topic", required=False)
@filters
@click.option("--limit", type=click.IntRange(1), default=LIMIT, show_default=True, help="Letters at most.")
@connection_options
@json_option
def list_letters(
    topic: str | None,
    origin: str | None,
    error: str | None,
    key: str | None,
    older_than: float | None,
    newer_than: float | None,
    limit: int,
    cluster: Cluster,
    as_json: bool,
) -> None:
    """List the letters of TOPIC; without TOPIC, the topics that are called so or that the app of this folder has."""
    if topic is None:
        run(_list_topics(cluster, as_json))
        return
    chosen = _filter(origin, error, key, older_than, newer_than)
    found, unreadable = run(_letters(cluster, topic, chosen, limit))
    if as_json:
        print_json([summary_document(each) for each in found])
        return
    rows = [
        (
            f"{each.letter.partition}@{each.letter.offset}",
            _age(time() - each.letter.since),
            each.letter.topic,
            "" if each.letter.key is None else str(text_or_base64(each.letter.key)),
            str(each.letter.attempts),
            "redriven" if each.redriven else "",
            each.letter.target or "",
            each.letter.error[:ERROR_WIDTH],
        )
        for each in found
    ]
    print_table(("LETTER", "AGE", "FROM", "KEY", "ATTEMPTS", "STATE", "TARGET", "ERROR"), rows)
    if len(found) == limit:
        click.echo(f"Only the first {limit} are shown: see --limit.", err=True)
    if unreadable:
        click.echo(f"{counted(unreadable, 'record')} in {topic} {_no_letters(unreadable)}.", err=True)


@dlq.command()
@click.argument("topic")
@click.argument("place", type=letter_place)
@connection_options
def show(topic: str, place: tuple[int, int], cluster: Cluster) -> None:
    """Print one letter in full, as JSON. PLACE is PARTITION@OFFSET."""
    found, _ = run(_letters(cluster, topic, Filter(place=place), 1))
    if not found:
        raise KafkaCommandError(f"{topic} has no dead letter {place[0]}@{place[1]}")
    print_json(full_document(found[0]))


@dlq.command()
@click.argument("topic")
@click.argument("place", type=letter_place, required=False)
@filters
@click.option("--to", metavar="TOPIC", help="Send them there instead of to the topics they come from.")
@click.option("--again", is_flag=True, help="Those too that were sent back before.")
@click.option("--rate", type=click.FloatRange(0.1), help="Records per second at most.")
@click.option("--dry-run", is_flag=True, help="Only say what would be sent.")
@connection_options
@json_option
def redrive(
    topic: str,
    place: tuple[int, int] | None,
    origin: str | None,
    error: str | None,
    key: str | None,
    older_than: float | None,
    newer_than: float | None,
    to: str | None,
    again: bool,
    rate: float | None,
    dry_run: bool,
    cluster: Cluster,
    as_json: bool,
) -> None:
    """Send the records of letters back to where they come from, with key, headers and value."""
    chosen = _filter(origin, error, key, older_than, newer_than, place)

    def tell(letter: DeadLetter, what: str) -> None:
        if not as_json:
            click.echo(f"{letter.partition}@{letter.offset} {what}")

    async def work() -> Outcome:
        async with open_dead_letter_topic(cluster.brokers, topic, security=cluster.security) as dead_letters:
            return await dead_letters.redrive(chosen, to=to, again=again, rate=rate, dry_run=dry_run, progress=tell)

    outcome = run(work())
    if as_json:
        print_json({"dryRun": dry_run, **outcome.as_document()})
    else:
        click.echo(_told(outcome, dry_run))
    if not outcome.committed:
        click.echo("The list of letters that were sent back is too long to be kept: it has too many gaps.", err=True)
    if outcome.failed:
        raise click.exceptions.Exit(1)


@dlq.command()
@click.argument("topic")
@click.option("--all", "everything", is_flag=True, help="All letters that are there now.")
@click.option("--redriven", is_flag=True, help="As far as all were sent back.")
@click.option("--older-than", type=duration, help="As far as all are older than, such as 7d.")
@click.option("--dry-run", is_flag=True, help="Only say how many would be deleted.")
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def purge(
    topic: str,
    everything: bool,
    redriven: bool,
    older_than: float | None,
    dry_run: bool,
    yes: bool,
    cluster: Cluster,
) -> None:
    """Delete letters for good. Kafka deletes only from the oldest on, so a single letter cannot be chosen."""
    if not (everything or redriven or older_than is not None):
        raise click.UsageError("Say which letters: --all, --redriven or --older-than.")

    async def work(*, really: bool) -> int:
        async with open_dead_letter_topic(cluster.brokers, topic, security=cluster.security) as dead_letters:
            until = await dead_letters.purgeable(redriven=redriven, older_than=older_than)
            return await dead_letters.purge(until) if really else await dead_letters.count(until)

    count = run(work(really=False))
    if dry_run or not count:
        click.echo(f"{counted(count, 'letter')} of {topic} would be deleted.")
        return
    if not yes:
        click.confirm(f"Delete {counted(count, 'letter')} of {topic} for good?", abort=True)
    gone = run(work(really=True))
    click.echo(f"{counted(gone, 'letter')} of {topic} {'was' if gone == 1 else 'were'} deleted.")


def _filter(
    origin: str | None,
    error: str | None,
    key: str | None,
    older_than: float | None,
    newer_than: float | None,
    place: tuple[int, int] | None = None,
) -> Filter:
    return Filter(
        topic=origin,
        error=error,
        key=None if key is None else key.encode(),
        older_than=older_than,
        newer_than=newer_than,
        place=place,
    )


def _no_letters(count: int) -> str:
    return "is no dead letter" if count == 1 else "are no dead letters"


def _told(outcome: Outcome, dry_run: bool) -> str:
    parts = [f"{outcome.redriven} {'would be ' if dry_run else ''}sent back"]
    if outcome.failed:
        parts.append(f"{outcome.failed} not sent back")
    if outcome.already_redriven:
        parts.append(f"{outcome.already_redriven} sent back before (--again sends them once more)")
    if outcome.unreadable:
        parts.append(f"{counted(outcome.unreadable, 'record')} {_no_letters(outcome.unreadable)}")
    return ", ".join(parts) + "."


async def _letters(cluster: Cluster, topic: str, chosen: Filter, limit: int) -> tuple[list[FoundLetter], int]:
    found: list[FoundLetter] = []
    async with (
        open_dead_letter_topic(cluster.brokers, topic, security=cluster.security) as dead_letters,
        aclosing(dead_letters.letters(chosen)) as letters,
    ):
        async for each in letters:
            found.append(each)
            if len(found) == limit:
                break
        return found, dead_letters.unreadable


async def _list_topics(cluster: Cluster, as_json: bool) -> None:
    topics = await list_topics(
        cluster.brokers,
        lambda name: name in cluster.dead_letter_topics or NAME.search(name) is not None,
        security=cluster.security,
    )
    if as_json:
        print_json([{"topic": topic.name, "letters": topic.records} for topic in topics])
    else:
        print_table(("TOPIC", "LETTERS"), [(topic.name, str(topic.records)) for topic in topics])


def _age(seconds: float) -> str:
    """Return a duration in its largest unit (pure)."""
    for unit, name in ((DAY, "d"), (HOUR, "h"), (MINUTE, "m")):
        if seconds >= unit:
            return f"{seconds / unit:.0f}{name}"
    return f"{max(0.0, seconds):.0f}s"
