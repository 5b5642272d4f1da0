"""`pywatt kafka groups`: lists consumer groups, shows members and lag of one, deletes them."""

from __future__ import annotations

import time
from typing import Any

import click

from pywatt.cli.output.table import counted, duration, json_option, print_json, print_table
from pywatt_kafka.admin.admin import Admin
from pywatt_kafka.admin.groups import Group, GroupDescription
from pywatt_kafka.lag.group_lag import GroupLag
from pywatt_kafka.lag.lag_reader import LagReader
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_cli.cluster.connection_options import connection_options
from pywatt_services.kafka_cli.cluster.precedence import Cluster
from pywatt_services.kafka_cli.errors import run
from pywatt_services.kafka_cli.list_by_default import ListByDefaultGroup


@click.group(cls=ListByDefaultGroup)
def groups() -> None:
    """List consumer groups; show members and lag of one; delete them."""


@groups.command("list")
@connection_options
@json_option
def list_(cluster: Cluster, as_json: bool) -> None:
    """List the consumer groups."""

    async def work() -> list[Group]:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            return list(await admin.list_groups())

    found = run(work())
    if as_json:
        print_json([{"group": each.name, "type": each.type, "state": each.state} for each in found])
    else:
        print_table(("GROUP", "TYPE", "STATE"), [(each.name, each.type, each.state) for each in found])


@groups.command()
@click.argument("group")
@connection_options
@json_option
def describe(group: str, cluster: Cluster, as_json: bool) -> None:
    """Show the members of GROUP, and how far they have read each partition."""

    async def work() -> tuple[GroupDescription, GroupLag]:
        async with (
            Admin(cluster.brokers, security=cluster.security) as admin,
            LagReader(cluster.brokers, security=cluster.security) as reader,
        ):
            return await admin.describe_group(group), await reader.measure(group)

    found, lag = run(work())
    document = group_document(found, lag, time.time())
    if as_json:
        print_json(document)
        return
    click.echo(f"{group}: {found.state}, {counted(len(found.members), 'member')}, {found.type} protocol")
    if found.members:
        click.echo()
        print_table(
            ("MEMBER", "CLIENT", "HOST", "PARTITIONS"),
            [
                (member["instanceId"] or member["id"], member["client"], member["host"], str(len(member["partitions"])))
                for member in document["members"]
            ],
        )
    if document["partitions"]:
        click.echo()
        print_table(
            ("TOPIC", "PARTITION", "COMMITTED", "END", "LAG", "BEHIND", "CLIENT"),
            [
                (
                    part["topic"],
                    str(part["partition"]),
                    _or_dash(part["committed"]),
                    _or_dash(part["end"]),
                    _or_dash(part["lag"]),
                    "-" if part["seconds"] is None else duration(part["seconds"]),
                    part["client"] or "-",
                )
                for part in document["partitions"]
            ],
        )


@groups.command()
@click.argument("names", metavar="GROUP...", nargs=-1, required=True)
@click.option("--yes", is_flag=True, help="Do not ask.")
@connection_options
def delete(names: tuple[str, ...], yes: bool, cluster: Cluster) -> None:
    """Delete groups that have no members, with what they have committed."""
    listed = ", ".join(names)
    if not yes:
        click.confirm(f"Delete {listed} with what is committed?", abort=True)

    async def work() -> None:
        async with Admin(cluster.brokers, security=cluster.security) as admin:
            await admin.delete_groups(names)

    run(work())
    click.echo(f"{listed} {'was' if len(names) == 1 else 'were'} deleted.")


def group_document(group: GroupDescription, lag: GroupLag, now: float) -> dict[str, Any]:
    """Return a group as JSON; partitions are those with a commit and those of members (pure)."""
    readers = {place: member for member in group.members for place in member.partitions}
    return {
        "group": group.name,
        "type": group.type,
        "state": group.state,
        "assignor": group.assignor,
        "lag": sum(part.records for part in lag.partitions.values()),
        "members": [
            {
                "id": member.id,
                "instanceId": member.instance_id,
                "client": member.client_id,
                "host": member.host,
                "partitions": [f"{place.topic}[{place.partition}]" for place in member.partitions],
            }
            for member in group.members
        ],
        "partitions": [
            {
                "topic": place.topic,
                "partition": place.partition,
                **_progress(place, lag, now),
                "client": readers[place].client_id if place in readers else None,
            }
            for place in sorted({*lag.partitions, *readers})
        ],
    }


def _progress(place: TopicPartition, lag: GroupLag, now: float) -> dict[str, Any]:
    part = lag.partitions.get(place)
    if part is None:
        return {"committed": None, "end": None, "lag": None, "seconds": None}
    return {"committed": part.committed, "end": part.end, "lag": part.records, "seconds": part.seconds(now)}


def _or_dash(value: int | None) -> str:
    return "-" if value is None else str(value)
