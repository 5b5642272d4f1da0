"""`pywatt kafka reset`: sets the offsets that a consumer group has committed."""

from __future__ import annotations

from collections.abc import Mapping

import click

from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.admin.groups import OffsetReset
from pywatt_kafka.admin.offsets import Position
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import run
from pywatt_services.kafka_cli.positions import HELP, Last, Start, position, within


@click.command()
@click.argument("group")
@click.option("--to", "start", type=position, required=True, metavar="POSITION", help=HELP)
@click.option("--topic", "topic_names", multiple=True, help="Only this topic; may be given several times.")
@click.option("--partition", "numbers", type=int, multiple=True, help="Only this partition of the topics.")
@click.option("--yes", is_flag=True, help="Do it; without this, only what would change is shown.")
@connection_options
@json_option
def reset(
    group: str,
    start: Start,
    topic_names: tuple[str, ...],
    numbers: tuple[int, ...],
    yes: bool,
    cluster: Cluster,
    as_json: bool,
) -> None:
    """Show where GROUP would read on from another position; with --yes, set it. Its consumers must be stopped."""

    async def work() -> list[OffsetReset]:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            committed = await admin.list_group_offsets(group, topic_names or None)
            partitions = [place for place in committed if not numbers or place.partition in numbers]
            if not partitions:
                raise KafkaError(
                    f"group {group} has committed nothing there", hint="name topics that exist: --topic TOPIC"
                )
            if isinstance(start, Last):
                ends = await admin.list_offsets(partitions, "latest")
                to: Position | int | Mapping[TopicPartition, int] = within(
                    start, await admin.list_offsets(partitions, "earliest"), ends
                )
            else:
                to = start
            return list(await admin.reset_offsets(group, to, partitions=partitions, dry_run=not yes))

    changes = run(work())
    if as_json:
        print_json(
            {
                "dryRun": not yes,
                "partitions": [
                    {"topic": each.topic, "partition": each.partition, "before": each.before, "after": each.after}
                    for each in changes
                ],
            }
        )
        return
    print_table(
        ("TOPIC", "PARTITION", "COMMITTED", "NEW"),
        [
            (each.topic, str(each.partition), "-" if each.before is None else str(each.before), str(each.after))
            for each in changes
        ],
    )
    if not yes:
        click.echo("Nothing was changed: --yes does it.", err=True)
