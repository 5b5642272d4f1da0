"""A kafka-hooks worker in the test's own process, between a real broker and a target that the test controls."""

from __future__ import annotations

import asyncio
import itertools
import socket
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from harness.hooks import LONG, Hooks, ReadRecords, RunHooks, Target
from harness.restart_config import RESTART

from pywatt.config.model import ServiceConfig
from pywatt.mesh.client import MeshClient
from pywatt.mesh.table import Endpoint, MeshService, MeshTable, ServiceState
from pywatt.service_type import Placement
from pywatt_kafka import GroupReader, Message, Producer
from pywatt_kafka.connection import cluster_connection
from pywatt_services.kafka_hooks import TYPE
from pywatt_services.kafka_hooks.config.options import KafkaHooksOptions


@pytest.fixture(scope="module", autouse=True)
def _frequent_checks() -> Iterator[None]:
    """Let the workers in this process look for topics and outages more often, as many tests wait for that."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(cluster_connection, "CHECK_INTERVAL", 1.0)
        yield


@pytest.fixture
async def target() -> AsyncIterator[Target]:
    made = Target()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()[:2]
    made.address = f"tcp:{host}:{port}"
    yield made
    server.close()


@pytest.fixture
def engine(request: pytest.FixtureRequest) -> str:
    """The engine of the workers; what matters most is tested with all of them."""
    return str(getattr(request, "param", "aiokafka"))


@pytest.fixture
def run_hooks(target: Target, tmp_path: Path, engine: str) -> RunHooks:
    """Return a context manager that runs a worker of a document and stops it at the end, if it still runs.

    `before`: the service as it is when the worker starts.
    """

    numbers = itertools.count()

    @asynccontextmanager
    async def run(
        document: Mapping[str, Any], *, slot: int = 0, before: MeshService | None = None
    ) -> AsyncIterator[Hooks]:
        configured = TYPE.configure(
            {"engine": engine, **document}, Placement(id="kafka-hooks", path=tmp_path, services=("api", "kafka-hooks"))
        )
        assert isinstance(configured.options, KafkaHooksOptions)
        api = MeshService("api", ServiceState.READY, 1, (Endpoint("api/0/0", target.address),))
        table = MeshTable(1, {"api": api} if before is None else {"api": api, before.id: before})
        with socket.socket(socket.AF_UNIX) as endpoint, socket.socket() as loopback:
            path = tmp_path / f"s{next(numbers)}"
            endpoint.bind(str(path))
            loopback.bind(("127.0.0.1", 0))
            for listener in (endpoint, loopback):
                listener.listen()
                listener.setblocking(False)
            service = ServiceConfig(restart=RESTART, id="kafka-hooks", path=tmp_path, type="kafka-hooks")
            async with MeshClient(table) as mesh, anyio.create_task_group() as tasks:
                hooks = Hooks(service, slot, mesh, endpoint, loopback)

                async def serve() -> None:
                    await TYPE.serve(configured.options, hooks)
                    hooks.ended.set()

                tasks.start_soon(serve)
                with anyio.fail_after(LONG):
                    await hooks.is_ready.wait()
                yield hooks
                hooks.stop()

    return run


@pytest.fixture
async def producer(broker: str) -> AsyncIterator[Producer]:
    async with Producer(broker) as made:
        yield made


async def read(broker: str, topic: str, count: int) -> list[Message]:
    """Return the first records of a topic."""
    found: list[Message] = []
    with anyio.fail_after(LONG):
        async with GroupReader(broker, group=f"reader-{topic}", topics=[topic]) as consumer:
            async for message in consumer:
                found.append(message)
                if len(found) == count:
                    return found
    raise AssertionError("unreachable")


@pytest.fixture
def read_records(broker: str) -> ReadRecords:
    """Return a function that reads the first records of a topic."""
    return lambda topic, count: read(broker, topic, count)
