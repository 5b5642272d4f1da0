"""A member id belongs to one living worker at a time: the successor waits, a stranger takes another id."""

from __future__ import annotations

import asyncio
import os
import sys
from uuid import uuid4

import anyio
import pytest
import uvloop

from pywatt_services.kafka_hooks import membership
from pywatt_services.kafka_hooks.membership import hold

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets")]

LONG = 10.0  # seconds

HOLDER = """
import asyncio, os
from pywatt_services.kafka_hooks.membership import hold
async def main():
    async with hold("one", "GROUP", owner=OWNER) as held:
        print(held, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def group() -> str:
    return uuid4().hex


async def enter(group: str, owner: int = 1) -> str:
    async with hold("one", group, owner=owner) as held:
        return held


async def test_free_id_is_held_again_and_again(group: str) -> None:
    async with asyncio.timeout(LONG):
        assert [await enter(group), await enter(group)] == ["one", "one"]


async def test_successor_waits_for_its_predecessor(group: str) -> None:
    async with asyncio.timeout(LONG):
        async with hold("one", group, owner=1) as held:
            assert held == "one"
            successor = asyncio.ensure_future(enter(group))
            async with hold("other", group, owner=1):
                assert not successor.done()
        assert await successor == "one"


async def test_stranger_takes_another_id(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "STRANGER_WAIT", 0.01)
    async with asyncio.timeout(LONG), hold("one", group, owner=1), hold("one", group, owner=2) as second:
        assert second == "one.2"
        assert await enter(group, owner=3) == "one.3"


async def test_same_id_of_another_group_is_free(group: str) -> None:
    async with asyncio.timeout(LONG), hold("one", group), hold("one", f"{group}-other") as held:
        assert held == "one"


async def test_id_of_a_worker_that_is_killed_is_free_at_once(group: str) -> None:
    code = HOLDER.replace("GROUP", group).replace("OWNER", str(os.getpid()))
    async with asyncio.timeout(LONG), await anyio.open_process([sys.executable, "-c", code]) as child:
        assert child.stdout is not None
        assert (await child.stdout.receive()).startswith(b"one")
        successor = asyncio.ensure_future(enter(group, owner=os.getpid()))
        child.kill()
        assert await successor == "one"


def test_ids_are_held_under_uvloop(group: str) -> None:
    async def two_in_a_row() -> list[str]:
        async with asyncio.timeout(LONG), hold("one", group, owner=1):
            successor = asyncio.ensure_future(enter(group))
            await asyncio.sleep(0)
        return [await successor, await enter(group)]

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        assert runner.run(two_in_a_row()) == ["one", "one"]
