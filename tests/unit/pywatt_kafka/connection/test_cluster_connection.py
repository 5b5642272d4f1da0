"""Keeping an engine alive: open, detect failures, replace, close. The engine is scripted, the clock is manual."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import anyio
import anyio.lowlevel
import pytest

from pywatt_kafka.connection.cluster_connection import CHECK_INTERVAL, REJOIN_LIMIT, ClusterConnection
from pywatt_kafka.connection.status import ConnectionState, ConnectionStatus
from pywatt_kafka.errors import Fenced, KafkaUnavailable

pytestmark = pytest.mark.anyio

LIMIT = 20.0  # seconds
REPLACE_AFTER = 30.0
AWAY, CONNECTED = ConnectionState.AWAY, ConnectionState.CONNECTED


class Cluster:
    """State that all engines of a test share."""

    def __init__(self) -> None:
        self.up = True
        self.engines: list[FakeEngine] = []
        self.now = 0.0
        self.statuses: list[ConnectionStatus] = []
        self.changed = asyncio.Event()

    def create(self) -> FakeEngine:
        self.engines.append(FakeEngine(self))
        self.changed.set()
        return self.engines[-1]

    def report(self, status: ConnectionStatus) -> None:
        self.statuses.append(status)
        self.changed.set()

    def connection(self, *, rejoins: bool = False) -> ClusterConnection[FakeEngine]:
        return ClusterConnection(
            self.create,
            name="test",
            replace_after=REPLACE_AFTER,
            rejoins=rejoins,
            on_status=self.report,
            clock=lambda: self.now,
            rng=lambda: 0.0,
        )

    async def until(self, fact: Callable[[], bool]) -> None:
        with anyio.fail_after(LIMIT):
            while not fact():
                self.changed.clear()
                await self.changed.wait()


class FakeEngine:
    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster
        self.checks = 0
        self.is_broken = False
        self.is_fenced = False
        self.is_stale = False
        self.closed = False

    async def open(self) -> None:
        if not self._cluster.up:
            raise KafkaUnavailable("nobody home")

    def stale(self) -> bool:
        return self.is_stale

    async def check(self) -> None:
        self.checks += 1
        self._cluster.changed.set()
        if not self._cluster.up:
            raise KafkaUnavailable("gone")

    def broken(self) -> bool:
        if self.is_fenced:
            raise Fenced("replaced by another", hint="use another id", code="FENCED_INSTANCE_ID")
        return self.is_broken

    async def close(self) -> None:
        self.closed = True
        self._cluster.changed.set()


async def test_it_tries_until_the_cluster_is_there() -> None:
    cluster = Cluster()
    cluster.up = False
    async with cluster.connection() as connection:
        assert connection.status == ConnectionStatus(ConnectionState.CONNECTING)
        await cluster.until(lambda: len(cluster.engines) > 2)
        assert connection.status == ConnectionStatus(AWAY, "nobody home")
        assert connection.engine is None
        cluster.up = True
        with anyio.fail_after(LIMIT):
            engine = await connection.connected()
        assert engine is cluster.engines[-1]
        assert [engine.closed for engine in cluster.engines[:-1]] == [True] * (len(cluster.engines) - 1)
    assert engine.closed
    assert [status.state for status in cluster.statuses] == [AWAY, CONNECTED]


async def test_a_quiet_connection_is_checked_only_now_and_then() -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            engine = await connection.connected()
        cluster.now += CHECK_INTERVAL
        await cluster.until(lambda: engine.checks == 1)
        assert connection.status.state is CONNECTED


@pytest.mark.parametrize("noticed_by", ["check_soon", "stale"])
async def test_an_outage_is_noticed_at_once_and_so_is_its_end(noticed_by: str) -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            engine = await connection.connected()
        cluster.up = False
        if noticed_by == "check_soon":
            connection.check_soon()
        else:
            engine.is_stale = True
        await cluster.until(lambda: connection.status == ConnectionStatus(AWAY, "gone"))
        assert connection.engine is engine
        cluster.up = True
        with anyio.fail_after(LIMIT):
            assert await connection.connected() is engine
    assert [status.state for status in cluster.statuses] == [CONNECTED, AWAY, CONNECTED]


async def test_after_a_long_outage_the_engine_is_replaced() -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            first = await connection.connected()
        cluster.up = False
        connection.check_soon()
        await cluster.until(lambda: connection.status.state is AWAY)
        cluster.now += REPLACE_AFTER
        await cluster.until(lambda: first.closed)
        cluster.up = True
        with anyio.fail_after(LIMIT):
            assert await connection.connected() is not first


async def test_an_engine_that_broke_is_replaced_though_the_cluster_answers() -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            first = await connection.connected()
        first.is_broken = True
        await cluster.until(lambda: len(cluster.engines) == 2)
        with anyio.fail_after(LIMIT):
            assert await connection.connected() is cluster.engines[1]
        assert first.closed
    assert [status.state for status in cluster.statuses] == [CONNECTED, AWAY, CONNECTED]


async def test_the_bodys_own_error_comes_out_as_it_is_and_the_engine_is_closed() -> None:
    cluster = Cluster()

    async def body() -> None:
        async with cluster.connection() as connection:
            with anyio.fail_after(LIMIT):
                await connection.connected()
            raise LookupError

    with pytest.raises(LookupError):
        await body()
    assert cluster.engines[0].closed


async def test_a_mistake_of_ours_ends_the_body() -> None:
    class Faulty(FakeEngine):
        def broken(self) -> bool:
            raise ZeroDivisionError

    cluster = Cluster()
    connection = ClusterConnection(lambda: Faulty(cluster), name="test", replace_after=REPLACE_AFTER)
    with pytest.raises(ExceptionGroup) as caught:
        async with connection:
            await anyio.sleep_forever()
    assert caught.group_contains(ZeroDivisionError)


async def test_cancelling_the_body_closes_the_engine() -> None:
    cluster = Cluster()
    with anyio.fail_after(LIMIT):
        async with anyio.create_task_group() as tasks:

            async def body() -> None:
                async with cluster.connection() as connection:
                    await connection.connected()
                    tasks.cancel_scope.cancel()
                    await anyio.sleep_forever()

            tasks.start_soon(body)
    assert cluster.engines[0].closed


async def test_it_may_be_stopped_by_another_task_while_its_body_goes_on() -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            engine = await connection.connected()
            async with anyio.create_task_group() as tasks:
                tasks.start_soon(connection.stop)
                tasks.start_soon(connection.stop)
        assert engine.closed
        await anyio.lowlevel.checkpoint()
    with anyio.fail_after(LIMIT):
        await connection.stop()


async def test_stopping_a_connection_that_was_never_entered_does_nothing() -> None:
    await Cluster().connection().stop()


async def test_a_fenced_client_is_closed_and_not_replaced(caplog: pytest.LogCaptureFixture) -> None:
    cluster = Cluster()
    async with cluster.connection() as connection:
        with anyio.fail_after(LIMIT):
            engine = await connection.connected()
            waiting = asyncio.ensure_future(stay_connected(connection))
            engine.is_fenced = True
            connection.check_soon()
            await cluster.until(lambda: engine.closed)
            for call in (connection.opened(), connection.connected(), waiting):
                with pytest.raises(Fenced, match="replaced by another") as caught:
                    await call
                assert (caught.value.hint, caught.value.code) == ("use another id", "FENCED_INSTANCE_ID")
        assert connection.engine is None
        assert connection.status == ConnectionStatus(ConnectionState.FENCED, "replaced by another")
    assert cluster.engines == [engine]
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert "fix: use another id" in caplog.records[-1].getMessage()


async def stay_connected(connection: ClusterConnection[FakeEngine]) -> None:
    """Ask for the engine until it is fenced."""
    while True:
        await connection.connected()
        await anyio.lowlevel.checkpoint()


async def outage(cluster: Cluster, connection: ClusterConnection[FakeEngine]) -> FakeEngine:
    """Let the cluster disappear and return; return the engine, which is the same as before."""
    with anyio.fail_after(LIMIT):
        engine = await connection.connected()
    cluster.up = False
    connection.check_soon()
    await cluster.until(lambda: connection.status.state is AWAY)
    cluster.up = True
    with anyio.fail_after(LIMIT):
        assert await connection.connected() is engine
    return engine


async def fence(cluster: Cluster, connection: ClusterConnection[FakeEngine], engine: FakeEngine) -> None:
    engine.is_fenced = True
    connection.check_soon()
    await cluster.until(lambda: engine.closed)


async def test_a_static_member_that_is_fenced_after_an_outage_is_replaced_once_for_each() -> None:
    cluster = Cluster()
    async with cluster.connection(rejoins=True) as connection:
        for count in (1, 2):
            engine = await outage(cluster, connection)
            assert connection.is_rejoining
            await fence(cluster, connection, engine)
            with anyio.fail_after(LIMIT):
                assert await connection.connected() is cluster.engines[count]
            assert not connection.is_rejoining
        await fence(cluster, connection, cluster.engines[-1])
        assert connection.status.state is ConnectionState.FENCED
    assert len(cluster.engines) == 3


@pytest.mark.parametrize(("rejoins", "passed"), [(True, REJOIN_LIMIT), (False, 0.0)])
async def test_a_client_that_another_one_fences_after_an_outage_is_not_replaced(rejoins: bool, passed: float) -> None:
    cluster = Cluster()
    async with cluster.connection(rejoins=rejoins) as connection:
        engine = await outage(cluster, connection)
        cluster.now += passed
        await fence(cluster, connection, engine)
        assert connection.status.state is ConnectionState.FENCED
    assert cluster.engines == [engine]
