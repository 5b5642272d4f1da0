"""`pywatt kafka produce`: writes records from arguments or standard input."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any

import click

from pywatt.cli.output.table import counted, json_option, print_json
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.producing.producer import Producer
from pywatt_kafka.records import Header, RecordPosition
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import KafkaCommandError, run
from pywatt_services.kafka_cli.records.record_input import Record, header, record_from_json, record_from_line
from pywatt_services.kafka_cli.records.standard_input import chunks, lines

OPEN = 5000  # records that wait for their acknowledgement
LINGER = 5  # milliseconds: lines come in bursts


def header_option(text: str) -> Header:
    """Parse NAME=VALUE. Raises BadParameter."""
    try:
        return header(text)
    except ValueError as error:
        raise click.BadParameter(str(error)) from error


@click.command()
@click.argument("topic")
@click.argument("values", nargs=-1)
@click.option("-k", "--key", help="Key of the records.")
@click.option("-H", "--header", "headers", metavar="NAME=VALUE", multiple=True, type=header_option, help="Repeatable.")
@click.option("-p", "--partition", type=int, help="Default: by the hash of the key, else any.")
@click.option("-K", "--key-separator", metavar="TEXT", help="Ends the key in each line, such as `:`.")
@click.option(
    "--records",
    "as_records",
    is_flag=True,
    help="Lines are records as `consume --json` prints them; their place is ignored.",
)
@click.option("--whole", is_flag=True, help="Standard input is one value, not a value in each line.")
@click.option("--tombstone", is_flag=True, help="One record without a value, for the key.")
@connection_options
@json_option
def produce(
    topic: str,
    values: tuple[str, ...],
    key: str | None,
    headers: tuple[Header, ...],
    partition: int | None,
    key_separator: str | None,
    as_records: bool,
    whole: bool,
    tombstone: bool,
    cluster: Cluster,
    as_json: bool,
) -> None:
    """Write VALUES to TOPIC, a record each; without VALUES, each line of standard input."""
    if tombstone and key is None:
        raise click.UsageError("A tombstone needs a key: --key.")
    if tombstone + whole + as_records + bool(values) > 1 or (key_separator and (whole or as_records)):
        raise click.UsageError("Give either VALUES or one of --whole, --records, --tombstone.")

    async def source() -> AsyncGenerator[Record]:
        if tombstone:
            yield Record(value=None)
        elif values:
            for value in values:
                yield _parsed(value.encode("utf-8", "surrogateescape"), "a value", key_separator, as_records=False)
        elif whole:
            yield Record(value=b"".join([chunk async for chunk in chunks()]))
        else:
            if sys.stdin.isatty():
                click.echo("Each line is a record; Ctrl-D ends.", err=True)
            number = 0
            async with aclosing(lines()) as read:
                async for line in read:
                    number += 1
                    if line or not as_records:
                        yield _parsed(line, f"line {number}", key_separator, as_records=as_records)

    async def work() -> _Outcome:
        async with aclosing(source()) as records:
            return await _write(cluster, topic, partition, _complete(records, key, headers), keep=as_json)

    try:
        outcome = run(work())
    except KeyboardInterrupt:
        raise click.exceptions.Exit(1) from None
    if as_json:
        print_json([_document(outcome.kept[number]) for number in range(outcome.count)])
    elif outcome.count == 1 and outcome.last is not None:
        click.echo(f"1 record was written: {topic}[{outcome.last.partition}]@{outcome.last.offset}.")
    elif outcome.written or not outcome.count:
        verb = "was" if outcome.written == 1 else "were"
        click.echo(f"{counted(outcome.written, 'record')} {verb} written to {topic}.")
    if (failure := outcome.failure) is not None:
        failed = f"{outcome.count - outcome.written} of {counted(outcome.count, 'record')} failed; the first:"
        message = failure.message if outcome.count == 1 else f"{failed} {failure.message}"
        raise KafkaCommandError(message, hint=failure.hint)


@dataclass(slots=True)
class _Outcome:
    """The outcome of the records. They are counted, not kept: standard input may have no end."""

    count: int = 0
    ended: int = 0
    """Written or failed."""
    written: int = 0
    last: RecordPosition | None = None
    failure: KafkaError | None = None
    """The first one."""
    kept: dict[int, RecordPosition | KafkaError] = field(default_factory=dict)
    """Each position or error by the number of the record, if asked for."""

    def add(self, number: int, result: RecordPosition | KafkaError, *, keep: bool) -> None:
        self.ended += 1
        if isinstance(result, KafkaError):
            self.failure = self.failure or result
        else:
            self.written += 1
            self.last = result
        if keep:
            self.kept[number] = result


async def _write(
    cluster: Cluster, topic: str, partition: int | None, records: AsyncIterator[Record], *, keep: bool
) -> _Outcome:
    """Write records in their order. `keep` the position or error of each. Raises KafkaError."""
    outcome = _Outcome()
    room = asyncio.Semaphore(OPEN)
    ended = asyncio.Event()

    def done(number: int, result: RecordPosition | KafkaError) -> None:
        outcome.add(number, result, keep=keep)
        room.release()
        ended.set()

    async with Producer(cluster.brokers, security=cluster.security, linger_ms=LINGER) as producer:
        async for each in records:
            await room.acquire()
            number, outcome.count = outcome.count, outcome.count + 1
            producer.post(
                topic,
                each.value,
                partial(done, number),
                key=each.key,
                headers=list(each.headers),
                partition=partition,
                timestamp=each.timestamp,
            )
        while outcome.ended < outcome.count:
            ended.clear()
            await ended.wait()
    return outcome


async def _complete(
    records: AsyncIterator[Record], key: str | None, headers: tuple[Header, ...]
) -> AsyncGenerator[Record]:
    """Add to each record what the options say and it does not."""
    default = None if key is None else key.encode("utf-8", "surrogateescape")
    async for each in records:
        yield replace(
            each,
            key=default if each.key is None else each.key,
            headers=(*each.headers, *headers),
        )


def _parsed(line: bytes, place: str, separator: str | None, *, as_records: bool) -> Record:
    try:
        return (
            record_from_json(line) if as_records else record_from_line(line, (separator and separator.encode()) or None)
        )
    except ValueError as error:
        hint = 'such as {"key": "1", "value": "text", "headers": {"a": "b"}}' if as_records else ""
        raise KafkaError(f"{place} is no record: {error}", hint=hint) from error


def _document(result: RecordPosition | KafkaError) -> dict[str, Any]:
    if isinstance(result, KafkaError):
        return {"error": result.message}
    return {"topic": result.topic, "partition": result.partition, "offset": result.offset}
