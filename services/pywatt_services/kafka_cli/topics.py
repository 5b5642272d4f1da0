"""`pywatt kafka topics`: the topics of a cluster, and how many records are in them."""

from __future__ import annotations

import click

from pywatt.cli.output.table import json_option, print_json, print_table
from pywatt_kafka.admin.topics import list_topics
from pywatt_services.kafka_cli.cluster_precedence import Cluster
from pywatt_services.kafka_cli.connection_options import connection_options
from pywatt_services.kafka_cli.errors import run


@click.command()
@connection_options
@json_option
def topics(cluster: Cluster, as_json: bool) -> None:
    """List the topics, and how many records are in them."""
    found = run(list_topics(cluster.brokers, security=cluster.security))
    if as_json:
        print_json([{"topic": each.name, "partitions": each.partitions, "records": each.records} for each in found])
    else:
        rows = [(each.name, str(each.partitions), str(each.records)) for each in found]
        print_table(("TOPIC", "PARTITIONS", "RECORDS"), rows)
