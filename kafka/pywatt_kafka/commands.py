"""`pywatt kafka`: a broker for development, and looking into a cluster."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable
from pathlib import Path

import click

from pywatt_kafka.admin.lag import consumer_lag
from pywatt_kafka.admin.topics import list_topics
from pywatt_kafka.brokers.embedded import EmbeddedBroker
from pywatt_kafka.brokers.jars import DEFAULT_VERSION, is_cached, versions
from pywatt_kafka.brokers.real import RealBroker
from pywatt_kafka.dlq.commands import dlq
from pywatt_kafka.errors import BrokerFailed, KafkaError
from pywatt_kafka.reach import Cluster
from pywatt_kafka.terminal import CommandFailed, cluster_options, complete, json_option, print_json, print_table
from pywatt_kafka.why import why


@click.group()
def kafka() -> None:
    """Run a Kafka broker for development; look at topics, groups and dead letters."""


kafka.add_command(dlq)
kafka.add_command(why)


@kafka.command()
@click.option("--port", default=9092, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the broker's data. Without it everything is gone when the broker stops.",
)
@click.option("--version", type=click.Choice(versions()), default=DEFAULT_VERSION, show_default=True)
@click.option("--embedded", is_flag=True, help="A small broker in memory instead of the real one (no Java needed).")
def start(port: int, data: Path | None, version: str, embedded: bool) -> None:
    """Run a broker until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end as Ctrl-C does
    try:
        if embedded:
            _run_embedded()
        else:
            _run_real(port, data, version)
    except KafkaError as error:
        raise CommandFailed(error.message, error.hint) from error
    except KeyboardInterrupt:
        click.echo("Stopped.")


@kafka.command()
@cluster_options
@json_option
def topics(cluster: Cluster, as_json: bool) -> None:
    """List the topics, and how many records are in them."""
    found = complete(list_topics(cluster.brokers, security=cluster.security))
    if as_json:
        print_json([{"topic": each.name, "partitions": each.partitions, "records": each.records} for each in found])
    else:
        print_table(("TOPIC", "PARTITIONS", "RECORDS"), [(each.name, each.partitions, each.records) for each in found])


@kafka.command()
@click.argument("group")
@click.option("--topic", "topic_names", multiple=True, help="Only this topic; may be given several times.")
@cluster_options
@json_option
def lag(group: str, topic_names: tuple[str, ...], cluster: Cluster, as_json: bool) -> None:
    """Show how many records a consumer group has still to commit, by topic and partition."""
    found = complete(consumer_lag(cluster.brokers, group, topic_names or None, security=cluster.security))
    if as_json:
        print_json(found)
        return
    rows = [(name, number, behind) for name, parts in found.items() for number, behind in parts.items()]
    print_table(("TOPIC", "PARTITION", "LAG"), [*rows, ("in all", "", sum(row[2] for row in rows))])


def _run_real(port: int, data: Path | None, version: str) -> None:
    if not is_cached(version, os.environ):
        click.echo(f"Fetching Kafka {version}, about 45 MB ...", err=True)
    with RealBroker(data, port=port, version=version) as broker:
        click.echo(_usage(f"Kafka {version}", broker.address))
        _wait_for_signal_or(broker.wait)
        raise BrokerFailed(f"Kafka {version} at {broker.address} ended by itself; its log is {broker.folder}/kafka.log")


def _run_embedded() -> None:
    with EmbeddedBroker() as broker:
        click.echo(_usage("A broker in memory", broker.address))
        _wait_for_signal_or()


def _wait_for_signal_or(ended: Callable[[], None] | None = None) -> None:
    """Wait until a signal's handler raises, or until `ended` returns.

    Neither a lock nor a thread is waited for here: a signal that came in the moment before would go unnoticed.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        if ended is not None:
            threading.Thread(target=_tell, args=(ended, writer), daemon=True).start()
        before = signal.set_wakeup_fd(writer.fileno())
        try:
            reader.recv(1)
        finally:
            signal.set_wakeup_fd(before)


def _tell(ended: Callable[[], None], writer: socket.socket) -> None:
    ended()
    with contextlib.suppress(OSError):  # nobody waits any more
        writer.send(b"\0")


def _usage(what: str, address: str) -> str:
    return f"{what} is ready at {address}. Use it: KAFKA_BROKERS={address} pywatt start. Ctrl-C stops it."
