"""A client's poll thread: jobs, records for callers, and a rebalance that waits for the event loop."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncIterator

import pytest

from pywatt_kafka.rdkafka.poller import Poller

pytestmark = pytest.mark.anyio

LONG = 10.0


class Client:
    """Returns the items of the test; checks that all calls come from one thread."""

    def __init__(self) -> None:
        self.records: queue.SimpleQueue[list[int]] = queue.SimpleQueue()
        self.poller: Poller[list[int]] = Poller(self.poll)
        self.threads: set[int] = set()
        self.error: Exception | None = None

    def poll(self, timeout: float, max_records: int) -> list[int]:
        self.threads.add(threading.get_ident())
        if self.error is not None:
            raise self.error
        try:
            return self.records.get(timeout=timeout) if timeout else self.records.get_nowait()
        except queue.Empty:
            return []


@pytest.fixture
async def client() -> AsyncIterator[Client]:
    made = Client()
    async with asyncio.timeout(LONG):
        made.poller.start()
        yield made
        await made.poller.end(lambda: None, LONG)


async def test_records_come_to_whoever_asks(client: Client) -> None:
    assert await client.poller.fetch(0.01, 10) in (None, [])
    client.records.put([1, 2])
    assert await client.poller.fetch(LONG, 10) == [1, 2]
    assert threading.get_ident() not in client.threads


async def test_records_are_not_lost_with_a_caller_that_goes_away(client: Client) -> None:
    task = asyncio.ensure_future(client.poller.fetch(LONG, 10))
    await client.poller.call(lambda: None)
    task.cancel()
    await asyncio.wait({task})
    client.records.put([1])
    assert await client.poller.fetch(LONG, 10) == [1]


async def test_a_client_that_nobody_asks_is_polled_all_the_same(client: Client) -> None:
    client.records.put([1])
    while not client.records.empty():
        await client.poller.call(lambda: client.poller._poll_once())
    assert await client.poller.fetch(LONG, 10) == [1]


async def test_errors_come_to_whoever_asked(client: Client) -> None:
    client.error = ValueError("no")
    with pytest.raises(ValueError, match="no"):
        await client.poller.fetch(LONG, 10)
    with pytest.raises(ZeroDivisionError):
        await client.poller.call(lambda: 1 // 0)
    client.error = None
    client.records.put([1])
    assert await client.poller.fetch(LONG, 10) == [1]


async def test_what_the_loop_does_in_a_rebalance_may_need_the_thread(client: Client) -> None:
    seen: list[str] = []

    async def rebalance() -> None:
        seen.append(await client.poller.call(lambda: "job"))

    await client.poller.call(lambda: client.poller.run_in_loop(rebalance(), LONG))
    assert seen == ["job"]


async def test_a_rebalance_that_takes_too_long_is_given_up(client: Client) -> None:
    async def never() -> None:
        await asyncio.Event().wait()

    with pytest.raises(TimeoutError):
        await client.poller.call(lambda: client.poller.run_in_loop(never(), 0.01))
    assert await client.poller.call(lambda: "goes on") == "goes on"
