"""`pywatt kafka consume`: shows the records of topics, without a consumer group."""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Callable, Collection, Mapping

import click

from pywatt.cli.output.table import coloured, json_option
from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.consuming.without_group.partition_reader import PartitionReader
from pywatt_kafka.errors import KafkaError, UnknownTopic
from pywatt_kafka.records import Message, TopicPartition
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import run
from pywatt_services.kafka_cli.positions import HELP, Last, Start, position, within
from pywatt_services.kafka_cli.records.record_view import matches, record_document, record_lines


def pattern(text: str) -> re.Pattern[str]:
    """Compile a regular expression. Raises BadParameter."""
    try:
        return re.compile(text)
    except re.error as error:
        raise click.BadParameter(f"{text!r} is no regular expression: {error}") from error


@click.command()
@click.argument("topics", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--from", "start", type=position, metavar="POSITION", help=f"{HELP}  [default: earliest, with -f latest]")
@click.option("-p", "--partition", "numbers", type=int, multiple=True, help="Only this partition of the topics.")
@click.option("-f", "--follow", is_flag=True, help="Go on with what is written from now on, until Ctrl-C.")
@click.option("-n", "--count", type=click.IntRange(1), help="End after so many records.")
@click.option("--grep", "wanted", type=pattern, metavar="REGEX", help="Only records with this in key, value or header.")
@click.option("--values", "values_only", is_flag=True, help="Print only the values as they are, each with a line end.")
@click.option("--uncommitted", is_flag=True, help="Records of open and aborted transactions too.")
@connection_options
@json_option
def consume(
    topics: tuple[str, ...],
    start: Start | None,
    numbers: tuple[int, ...],
    follow: bool,
    count: int | None,
    wanted: re.Pattern[str] | None,
    values_only: bool,
    uncommitted: bool,
    cluster: Cluster,
    as_json: bool,
) -> None:
    """Show the records of topics that exist now, with keys and headers; with --json, a JSON line each."""
    show = _show_value if values_only else _show_json if as_json else _show_lines
    shown = 0

    def take(message: Message) -> bool:
        """Show a record if it is wanted; return whether it was the last one."""
        nonlocal shown
        if wanted is None or matches(message, wanted):
            show(message)
            shown += 1
        return shown == count

    async def work() -> None:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            partitions = await partitions_of(admin, topics, numbers)
            ends = await admin.list_offsets(partitions, "latest", read_committed=not uncommitted)
            starts = await start_offsets(admin, start or ("latest" if follow else "earliest"), ends)
        reader = PartitionReader(
            cluster.brokers,
            starts,
            read_committed=not uncommitted,
            with_new_partitions=follow and not numbers,
            security=cluster.security,
        )
        async with reader:
            await read_records(reader, None if follow else ends, starts, take)

    try:
        run(work())
    except KeyboardInterrupt:
        return
    if not shown and not follow and not as_json:
        click.echo("There are no such records.", err=True)


async def partitions_of(admin: Admin, topics: Collection[str], numbers: Collection[int]) -> list[TopicPartition]:
    """Return the partitions to read. Raises UnknownTopic and KafkaError."""
    try:
        described = await admin.describe_topics(topics)
    except UnknownTopic as error:
        raise UnknownTopic(error.message, hint="`pywatt kafka topics` lists them") from error
    every = [TopicPartition(topic.name, part.number) for topic in described for part in topic.partitions]
    chosen = [place for place in every if not numbers or place.partition in numbers]
    if not chosen:
        listed = ", ".join(map(str, sorted({place.partition for place in every})))
        raise KafkaError(f"{', '.join(topics)} has no such partition", hint=f"there are {listed}")
    return chosen


async def start_offsets(admin: Admin, start: Start, ends: Mapping[TopicPartition, int]) -> Mapping[TopicPartition, int]:
    """Return the offset to begin with, by partition."""
    if start == "latest":
        return ends
    if isinstance(start, int | Last):
        return within(start, await admin.list_offsets(ends, "earliest"), ends)
    return await admin.list_offsets(ends, start)


async def read_records(
    reader: PartitionReader,
    ends: Mapping[TopicPartition, int] | None,
    starts: Mapping[TopicPartition, int],
    take: Callable[[Message], bool],
) -> None:
    """Read up to the ends, None: for ever, or until `take` has enough."""
    unread = None if ends is None else {place: end for place, end in ends.items() if starts[place] < end}
    if unread is not None:
        for place in starts.keys() - unread.keys():
            reader.leave(place)
    while unread is None or unread:
        for message in await reader.fetch():
            place = TopicPartition(message.topic, message.partition)
            if (ends is None or message.offset < ends[place]) and take(message):
                return
        if unread is not None:
            # by position, not by record: the last offsets may be of markers and of what was aborted or compacted
            for place, position in (await reader.positions()).items():
                if place in unread and position >= unread[place]:
                    reader.leave(place)
                    del unread[place]


def _show_lines(message: Message) -> None:
    click.echo("\n".join(record_lines(message, colour=coloured())), color=coloured())


def _show_json(message: Message) -> None:
    click.echo(json.dumps(record_document(message), ensure_ascii=False))


def _show_value(message: Message) -> None:
    sys.stdout.flush()
    click.echo((message.value or b"") + b"\n", nl=False)
