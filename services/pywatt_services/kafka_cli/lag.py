"""`pywatt kafka lag`: the records that a consumer group has still to commit."""

from __future__ import annotations

import click

from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt_kafka.lag.consumer_lag import consumer_lag
from pywatt_services.kafka_cli.cluster_precedence import Cluster
from pywatt_services.kafka_cli.connection_options import connection_options
from pywatt_services.kafka_cli.errors import run


@click.command()
@click.argument("group")
@click.option("--topic", "topic_names", multiple=True, help="Only this topic; may be given several times.")
@connection_options
@json_option
def lag(group: str, topic_names: tuple[str, ...], cluster: Cluster, as_json: bool) -> None:
    """Show how many records a consumer group has still to commit, by topic and partition."""
    found = run(consumer_lag(cluster.brokers, group, topic_names or None, security=cluster.security))
    if as_json:
        print_json(found)
        return
    rows = [(name, str(number), str(behind)) for name, parts in found.items() for number, behind in parts.items()]
    total = sum(sum(parts.values()) for parts in found.values())
    print_table(("TOPIC", "PARTITION", "LAG"), [*rows, ("in all", "", str(total))])
