"""`pywatt kafka lag`: the records that a consumer group has still to commit."""

from __future__ import annotations

import click

from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt_kafka.lag.group_lag import GroupLag
from pywatt_kafka.lag.lag_reader import LagReader
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import KafkaCommandError, run


@click.command()
@click.argument("group")
@click.option("--topic", "topic_names", multiple=True, help="Only this topic; may be given several times.")
@connection_options
@json_option
def lag(group: str, topic_names: tuple[str, ...], cluster: Cluster, as_json: bool) -> None:
    """Show how many records a consumer group has still to commit, by topic and partition."""

    async def work() -> GroupLag:
        async with LagReader(cluster.brokers, security=cluster.security) as reader:
            return await reader.measure(group, topic_names or None)

    measured = run(work())
    if not measured.known:
        if not topic_names:
            raise KafkaCommandError(f"there is no group {group}", hint="`pywatt kafka groups` lists them")
        click.echo(f"There is no group {group}: it has neither members nor commits.", err=True)
    found = measured.records()
    if as_json:
        print_json(found)
        return
    rows = [(name, str(number), str(behind)) for name, parts in found.items() for number, behind in parts.items()]
    total = sum(sum(parts.values()) for parts in found.values())
    print_table(("TOPIC", "PARTITION", "LAG"), [*rows, ("in all", "", str(total))])
