"""`pywatt kafka topics`: lists, describes, creates, changes and deletes the topics of a cluster."""

from __future__ import annotations

import click

from pywatt.cli.output.table import counted, json_option, print_json, print_table
from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.admin.configs import Config
from pywatt_kafka.admin.topics import BROKERS_DEFAULT, NewTopic, Topic, TopicDescription
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import run
from pywatt_services.kafka_cli.list_by_default import ListByDefaultGroup


def config_change(text: str) -> tuple[str, str | None]:
    """Parse NAME=VALUE; NAME= takes the config back to its default. Raises BadParameter."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise click.BadParameter(f"{text!r} is no config: write NAME=VALUE, such as retention.ms=86400000")
    return name, value or None


config_option = click.option(
    "--config",
    "configs",
    metavar="NAME=VALUE",
    multiple=True,
    type=config_change,
    help="Such as retention.ms=86400000.",
)


@click.group(cls=ListByDefaultGroup)
def topics() -> None:
    """List topics with their records; describe, create, alter, delete them."""


@topics.command("list")
@connection_options
@json_option
def list_(cluster: Cluster, as_json: bool) -> None:
    """List the topics, and how many records are in them."""

    async def work() -> list[Topic]:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            return list(await admin.list_topics())

    found = run(work())
    if as_json:
        print_json([{"topic": each.name, "partitions": each.partitions, "records": each.records} for each in found])
    else:
        rows = [(each.name, str(each.partitions), str(each.records)) for each in found]
        print_table(("TOPIC", "PARTITIONS", "RECORDS"), rows)


@topics.command()
@click.argument("topic")
@connection_options
@json_option
def describe(topic: str, cluster: Cluster, as_json: bool) -> None:
    """Show the partitions of TOPIC, and the configs that differ from the defaults."""

    async def work() -> tuple[TopicDescription, list[Config]]:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            (found,) = await admin.describe_topics([topic])
            if admin.is_embedded:  # which has no configs
                return found, []
            configs = (await admin.describe_configs("topic", topic)).values()
            return found, [config for config in configs if not config.is_default]

    found, configs = run(work())
    if as_json:
        print_json(
            {
                "topic": found.name,
                "partitions": [
                    {
                        "partition": part.number,
                        "leader": part.leader,
                        "replicas": list(part.replicas),
                        "inSyncReplicas": list(part.in_sync_replicas),
                        "beginning": part.beginning,
                        "end": part.end,
                    }
                    for part in found.partitions
                ],
                "configs": {config.name: config.value for config in configs},
            }
        )
        return
    print_table(
        ("PARTITION", "LEADER", "REPLICAS", "IN SYNC", "BEGINNING", "END", "RECORDS"),
        [
            (
                str(part.number),
                _or_dash(part.leader),
                ",".join(map(str, part.replicas)),
                ",".join(map(str, part.in_sync_replicas)),
                _or_dash(part.beginning),
                _or_dash(part.end),
                _or_dash(None if part.end is None or part.beginning is None else part.end - part.beginning),
            )
            for part in found.partitions
        ],
    )
    if configs:
        click.echo()
        rows = [(config.name, config.value or "", config.source) for config in configs]
        print_table(("CONFIG", "VALUE", "SET BY"), rows)


@topics.command()
@click.argument("names", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--partitions", type=click.IntRange(1), help="Default: the brokers' (num.partitions).")
@click.option("--replication", type=click.IntRange(1), help="Copies of each partition. Default: the brokers'.")
@config_option
@connection_options
def create(
    names: tuple[str, ...],
    partitions: int | None,
    replication: int | None,
    configs: tuple[tuple[str, str | None], ...],
    cluster: Cluster,
) -> None:
    """Create topics."""
    new = [
        NewTopic(
            name,
            partitions or BROKERS_DEFAULT,
            replication or BROKERS_DEFAULT,
            {key: value or "" for key, value in configs},
        )
        for name in names
    ]

    async def work() -> list[TopicDescription]:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            await admin.create_topics(new)
            return list(await admin.describe_topics(names))

    for topic in run(work()):
        click.echo(f"{topic.name} was created with {counted(len(topic.partitions), 'partition')}.")


@topics.command()
@click.argument("topic")
@click.option("--partitions", type=click.IntRange(1), help="So many in all; keys move to other partitions.")
@config_option
@connection_options
def alter(topic: str, partitions: int | None, configs: tuple[tuple[str, str | None], ...], cluster: Cluster) -> None:
    """Give TOPIC more partitions, or other configs; NAME= takes a config back to its default."""
    if partitions is None and not configs:
        raise click.UsageError("Say what to change: --partitions or --config.")

    async def work() -> None:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            if configs:
                await admin.alter_configs("topic", topic, dict(configs))
            if partitions is not None:
                await admin.create_partitions(topic, partitions)

    run(work())
    click.echo(f"{topic} was changed.")


@topics.command()
@click.argument("names", metavar="TOPIC...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def delete(names: tuple[str, ...], yes: bool, cluster: Cluster) -> None:
    """Delete topics with all their records."""
    listed = ", ".join(names)

    async def work(*, really: bool) -> int:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            if really:
                await admin.delete_topics(names)
                return 0
            return sum(
                part.end - part.beginning
                for topic in await admin.describe_topics(names)
                for part in topic.partitions
                if part.end is not None and part.beginning is not None
            )

    count = run(work(really=False))
    if not yes:
        click.confirm(f"Delete {listed} with {counted(count, 'record')} for good?", abort=True)
    run(work(really=True))
    click.echo(f"{listed} {'was' if len(names) == 1 else 'were'} deleted.")


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
