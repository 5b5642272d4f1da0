"""`pywatt kafka`: a Kafka broker on this machine, for development."""

from __future__ import annotations

import os
import signal
import threading
from pathlib import Path

import click

from pywatt_kafka.brokers.embedded import EmbeddedBroker
from pywatt_kafka.brokers.jars import DEFAULT_VERSION, is_cached, versions
from pywatt_kafka.brokers.real import RealBroker
from pywatt_kafka.errors import BrokerFailed, KafkaError


@click.group()
def kafka() -> None:
    """Run a Kafka broker for development."""


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
        raise click.ClickException(f"{error.message}\n{error.hint}".rstrip()) from error
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _run_real(port: int, data: Path | None, version: str) -> None:
    if not is_cached(version, os.environ):
        click.echo(f"Fetching Kafka {version}, about 45 MB ...", err=True)
    with RealBroker(data, port=port, version=version) as broker:
        click.echo(_usage(f"Kafka {version}", broker.address))
        broker.wait()
        raise BrokerFailed(f"Kafka {version} at {broker.address} ended by itself; its log is {broker.folder}/kafka.log")


def _run_embedded() -> None:
    with EmbeddedBroker() as broker:
        click.echo(_usage("A broker in memory", broker.address))
        threading.Event().wait()


def _usage(what: str, address: str) -> str:
    return f"{what} is ready at {address}. Use it: KAFKA_BROKERS={address} pywatt start. Ctrl-C stops it."
