"""The options --brokers and --service: they give a command its cluster."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, TypeVar, cast

import click

from pywatt.config.environment import nearest_env_file, read_env_file
from pywatt.errors import PywattError
from pywatt_kafka.connection.addresses import BROKERS_VARIABLE
from pywatt_kafka.security.environment import PROTOCOL
from pywatt_services.kafka_cli.cluster.app_clusters import discover_clusters
from pywatt_services.kafka_cli.cluster.precedence import (
    PREFIX,
    Cluster,
    ServiceCluster,
    cluster_of,
    default_cluster,
    given_brokers,
    resolve_cluster,
)
from pywatt_services.kafka_cli.errors import kafka_errors

Command = TypeVar("Command", bound=Callable[..., Any])


def connection_options(command: Command) -> Command:
    """Add the options --brokers and --service to a command, which gets its cluster as `cluster` instead."""

    @functools.wraps(command)
    def run(*words: Any, brokers: str | None, service: str | None, **options: Any) -> Any:
        return command(*words, cluster=find_cluster(brokers, service), **options)

    brokers = click.option(
        "--brokers",
        metavar="HOST:PORT,...",
        help=f"Default: {BROKERS_VARIABLE}, from the environment; what the app of this folder has; "
        f"{BROKERS_VARIABLE} from the file .env of this folder or one above.",
    )
    service = click.option("--service", metavar="ID", help="The service of the app whose cluster is meant.")
    return cast(Command, brokers(service(run)))


def find_cluster(option: str | None, service: str | None = None) -> Cluster:
    """Return the cluster given by the options, the environment, the app of the folder, or a file `.env`.

    Raises PywattError.
    """
    with kafka_errors():
        brokers = given_brokers(option, os.environ)
        if brokers and os.environ.get(PROTOCOL) and service is None:
            return resolve_cluster(brokers, os.environ, None)
        own: ServiceCluster | None = None
        clusters: Sequence[ServiceCluster] = ()
        try:
            with kafka_errors():
                clusters = discover_clusters(Path.cwd(), os.environ)
                own = cluster_of(clusters, service) if service is not None else default_cluster(clusters, brokers)
        except PywattError as error:
            if service is not None or not (brokers or BROKERS_VARIABLE in _env_file_variables(Path.cwd())):
                raise
            click.echo(f"The app here is not asked: {error.message}; {error.hint}".rstrip("; "), err=True)
        if own is None:
            variables = {name: value for name, value in os.environ.items() if name.startswith(PREFIX)}
            own = ServiceCluster(variables={**variables, **_env_file_variables(Path.cwd())})
        dead_letter_topics = frozenset[str]().union(*(each.dead_letter_topics for each in clusters))
        cluster = replace(resolve_cluster(brokers, os.environ, own), dead_letter_topics=dead_letter_topics)
    if cluster.note:
        click.echo(cluster.note, err=True)
    return cluster


def _env_file_variables(folder: Path) -> dict[str, str]:
    file = nearest_env_file(folder, folder)
    variables = read_env_file(file) if file is not None else {}
    return {name: value for name, value in variables.items() if name.startswith(PREFIX)}
