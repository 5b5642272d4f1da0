"""`pywatt kafka start`: run a Kafka broker for development until Ctrl-C."""

from __future__ import annotations

import contextlib
import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from pathlib import Path

import click

from pywatt.cli.output.table import counted
from pywatt_kafka.brokers.apache import RealBroker
from pywatt_kafka.brokers.embedded import EmbeddedBroker
from pywatt_kafka.brokers.jars import DEFAULT_VERSION, kafka_jars, versions
from pywatt_kafka.brokers.maven import Jar
from pywatt_kafka.errors import BrokerFailed
from pywatt_services.kafka_cli.errors import kafka_errors


@click.command()
@click.option("--port", default=9092, show_default=True, help="Port on 127.0.0.1; 0 takes a free one.")
@click.option(
    "--data",
    type=click.Path(file_okay=False, path_type=Path),
    help="Folder that keeps the data, apart for each version. Without it all is gone when the broker stops.",
)
@click.option("--version", type=click.Choice(versions()), default=DEFAULT_VERSION, show_default=True)
@click.option("--embedded", is_flag=True, help="A small broker in memory instead of the real one (no Java needed).")
def start(port: int, data: Path | None, version: str, embedded: bool) -> None:
    """Run a broker until Ctrl-C."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # both end as Ctrl-C does
    try:
        with kafka_errors():
            if embedded:
                _run_embedded()
            else:
                _run_real(port, data, version)
    except KeyboardInterrupt:
        click.echo("Stopped.")


def _run_real(port: int, data: Path | None, version: str) -> None:
    kafka_jars(version, os.environ, on_fetch=lambda jars, folder: _say_fetching(version, jars, folder))
    folder = data / f"kafka-{version}" if data is not None else None
    with RealBroker(folder, port=port, version=version) as broker:
        click.echo(_usage(f"Kafka {version}", broker.address))
        _wait_for_signal_or(broker.wait)
        raise BrokerFailed(f"Kafka {version} at {broker.address} ended by itself; its log is {broker.folder}/kafka.log")


def _say_fetching(version: str, jars: Sequence[Jar], folder: Path) -> None:
    click.echo(f"Fetching Kafka {version} into {folder}: {counted(len(jars), 'jar')} ...", err=True)


def _run_embedded() -> None:
    with EmbeddedBroker() as broker:
        click.echo(_usage("A broker in memory", broker.address))
        _wait_for_signal_or()


def _wait_for_signal_or(ended: Callable[[], None] | None = None) -> None:
    """Wait until a signal's handler raises, or until `ended` returns.

    Waits on a socket, not on a lock or a thread: a signal that came just before such a wait would go unnoticed.
    """
    reader, writer = socket.socketpair()
    with reader, writer:
        writer.setblocking(False)
        if ended is not None:
            threading.Thread(target=_notify, args=(ended, writer), daemon=True).start()
        before = signal.set_wakeup_fd(writer.fileno())
        try:
            reader.recv(1)
        finally:
            signal.set_wakeup_fd(before)


def _notify(ended: Callable[[], None], writer: socket.socket) -> None:
    ended()
    with contextlib.suppress(OSError):  # the wait is over
        writer.send(b"\0")


def _usage(broker: str, address: str) -> str:
    return f"{broker} is ready at {address}. Use it: KAFKA_BROKERS={address} pywatt start. Ctrl-C stops it."
