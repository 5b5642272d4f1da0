"""The poll thread of a client: jobs, reading ahead, and a rebalance that waits for the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
import time
from collections.abc import AsyncIterator, Callable

import pytest

from pywatt_kafka.rdkafka import poller
from pywatt_kafka.rdkafka.poller import SLICE, Poller

pytestmark = pytest.mark.anyio

LONG = 10.0
LIMIT = 100
EXTRA = 50


class Source:
    """Returns as many records as are asked for while it flows; checks that all calls come from one thread."""

    def __init__(self) -> None:
        self.threads: set[int] = set()
        self.flowing = True
        self.held = False
        self.polls = 0
        self.timeouts: list[float] = []
        self.errors: queue.SimpleQueue[Exception] = queue.SimpleQueue()
        self.commits_open = False
        self.polled: Callable[[], None] = lambda: None

    def poll(self, timeout: float, max_records: int) -> tuple[int, int] | None:
        self.threads.add(threading.get_ident())
        self.polls += 1
        self.timeouts.append(timeout)
        self.polled()
        if not self.errors.empty():
            raise self.errors.get()
        if not self.flowing or self.held:
            time.sleep(min(timeout, 0.001))
            return None
        return max_records, max_records

    def hold(self, held: bool) -> None:
        self.threads.add(threading.get_ident())
        self.held = held

    def expecting(self) -> bool:
        return self.commits_open


class Client:
    """A poller and what it has passed to the event loop."""

    def __init__(self) -> None:
        self.source = Source()
        self.arrived: list[int] = []
        self.errors: list[Exception] = []
        self.changed = asyncio.Event()
        self.poller: Poller[int] = Poller(self.source, arrived=self.arrive, failed=self.fail)
        self.poller.limit = LIMIT

    def arrive(self, count: int) -> None:
        self.arrived.append(count)
        self.changed.set()

    def fail(self, error: Exception) -> None:
        self.errors.append(error)
        self.changed.set()

    async def change(self) -> None:
        self.changed.clear()
        await self.changed.wait()

    async def next_poll(self) -> None:
        polled = asyncio.Event()
        self.source.polled = lambda: self.poller.post(polled.set)
        await polled.wait()

    async def poll_after_a_job(self) -> float:
        """Return the timeout of the first poll after a job."""
        await self.poller.call(self.source.timeouts.clear)
        while not self.source.timeouts:
            await self.next_poll()
        return self.source.timeouts[0]


@pytest.fixture
async def client(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Client]:
    monkeypatch.setattr(poller, "EXTRA_RECORDS", EXTRA)
    made = Client()
    async with asyncio.timeout(LONG):
        made.poller.start()
        yield made
        await made.poller.end(lambda: None, LONG)


async def test_records_are_read_ahead_up_to_the_limit_and_then_one_by_one(client: Client) -> None:
    while len(client.arrived) < 3:
        await client.change()
    assert client.arrived[0] == LIMIT
    assert set(client.arrived[1:]) == {1}
    client.poller.taken(LIMIT)
    while set(client.arrived[1:]) == {1}:
        await client.change()
    assert sum(client.arrived) - LIMIT == LIMIT
    assert threading.get_ident() not in client.source.threads
    assert len(client.source.threads) == 1


async def test_partitions_are_paused_when_nobody_takes_records_and_polling_continues(client: Client) -> None:
    def held() -> bool:
        return bool(client.source.held)

    client.source.commits_open = True  # it polls often
    while not held():
        await client.change()
        while not held() and sum(client.arrived) > LIMIT + EXTRA:
            await client.poller.call(lambda: None)
    assert sum(client.arrived) <= LIMIT + EXTRA + 2
    polls = client.source.polls
    while client.source.polls < polls + 3:
        await client.poller.call(lambda: None)
    client.poller.taken(sum(client.arrived))
    await client.change()
    assert not client.source.held


async def test_a_job_waits_for_a_short_poll_at_most(client: Client) -> None:
    """Thus commits record by record are as quick as the broker, whether there are records to read or not."""
    client.source.flowing = False
    client.poller.limit = 10**9
    client.poller.taken(0)  # wakes it
    while client.source.timeouts[-1:] != [SLICE]:  # without jobs
        await client.next_poll()
    for _ in range(3):
        assert await client.poll_after_a_job() < SLICE / 2
    client.source.flowing = client.source.commits_open = True
    client.poller.limit = LIMIT
    while not client.source.held:
        await client.next_poll()
    for _ in range(3):
        assert await client.poll_after_a_job() == 0.0  # between its polls it waits for jobs


async def test_errors_of_polls_arrive(client: Client) -> None:
    client.source.flowing = False
    client.source.errors.put(ValueError("no"))
    while not client.errors:
        await client.change()
    assert str(client.errors[0]) == "no"
    with pytest.raises(ZeroDivisionError):
        await client.poller.call(lambda: 1 // 0)
    client.source.flowing = True
    client.poller.taken(sum(client.arrived))
    await client.change()


async def test_what_the_loop_does_in_a_rebalance_may_need_the_thread(client: Client) -> None:
    seen: list[str] = []

    async def rebalance() -> None:
        seen.append(await client.poller.call(lambda: "job"))

    await client.poller.call(lambda: client.poller.run_in_loop(rebalance(), LONG))
    assert seen == ["job"]


async def test_a_rebalance_that_takes_too_long_goes_on_alone(client: Client) -> None:
    released = asyncio.Event()
    ended = asyncio.Event()

    async def slow() -> None:
        await released.wait()
        ended.set()

    with pytest.raises(TimeoutError):
        await client.poller.call(lambda: client.poller.run_in_loop(slow(), 0.01))
    assert await client.poller.call(lambda: "goes on") == "goes on"
    released.set()
    await ended.wait()
