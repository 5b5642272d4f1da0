"""A member id belongs to one running worker at a time: its successor waits, another worker takes another id."""

from __future__ import annotations

import asyncio
import hashlib
import os
import socket
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any
from uuid import uuid4

import anyio
import pytest

from pywatt_services.kafka_hooks.consuming import member_id_lock as membership
from pywatt_services.kafka_hooks.consuming.member_id_lock import hold, subscription_mark

pytestmark = [pytest.mark.anyio, pytest.mark.skipif(sys.platform != "linux", reason="abstract sockets")]

LONG = 10.0  # seconds

HOLDER = """
import asyncio, os
from pywatt_services.kafka_hooks.consuming.member_id_lock import hold
async def main():
    async with hold("one", "GROUP", owner=OWNER) as held:
        print(held.instance_id, flush=True)
        await asyncio.Event().wait()
asyncio.run(main())
"""


@pytest.fixture
def group() -> str:
    return uuid4().hex


@pytest.fixture(params=[False, True], ids=["asyncio", "uvloop"])
def anyio_backend(request: pytest.FixtureRequest) -> tuple[str, dict[str, bool]]:
    """Run on both event loops: their transports are of different kinds."""
    return "asyncio", {"use_uvloop": request.param}


async def enter(group: str, owner: int = 1, **more: Any) -> str:
    async with hold("one", group, owner=owner, **more) as held:
        return held.instance_id


async def test_free_id_is_held_again_and_again(group: str) -> None:
    async with asyncio.timeout(LONG):
        assert [await enter(group), await enter(group)] == ["one", "one"]


async def test_successor_waits_for_its_predecessor(group: str) -> None:
    async with asyncio.timeout(LONG):
        waits = asyncio.Event()
        async with hold("one", group, owner=1) as held:
            assert (held.instance_id, held.has_successor) == ("one", False)
            successor = asyncio.ensure_future(enter(group, waiting=waits.set))
            await waits.wait()
            await until(lambda: held.has_successor)
            async with hold("other", group, owner=1):
                assert not successor.done()
        assert await successor == "one"


async def test_holder_knows_its_successor(group: str) -> None:
    async with asyncio.timeout(LONG), hold("one", group, owner=1) as held:
        stranger = asyncio.ensure_future(enter(group, owner=2))
        await until(lambda: any(connection.heard for connection in connections(held)))
        assert not held.has_successor
        successor = asyncio.ensure_future(enter(group))
        await until(lambda: held.has_successor)
        for waiting in (stranger, successor):
            waiting.cancel()
        await asyncio.wait([stranger, successor])
        await until(lambda: not held.has_successor)


def connections(held: Any) -> Any:
    return held.waiting


async def until(true: Callable[[], bool]) -> None:
    """Run turns of the event loop until a condition is true."""
    while not true():
        turned = asyncio.Event()
        asyncio.get_running_loop().call_soon(turned.set)
        await turned.wait()


async def test_holder_that_does_not_greet_is_no_busy_loop(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    async def sleep(seconds: float) -> None:
        pauses.append(seconds)
        paused.set()
        await asyncio.sleep(0)

    pauses: list[float] = []
    paused = asyncio.Event()
    monkeypatch.setattr(anyio, "sleep", sleep)
    name = b"\0pywatt-member-" + hashlib.sha256(f"{group}\0one".encode()).hexdigest().encode()
    with socket.socket(socket.AF_UNIX) as mute:
        mute.bind(name)
        mute.listen()
        mute.setblocking(False)
        successor = asyncio.ensure_future(enter(group))
        async with asyncio.timeout(LONG):
            await asyncio.sleep(0)
            visitor, _ = await asyncio.get_running_loop().sock_accept(mute)
            visitor.close()
            await paused.wait()
            assert set(pauses) == {membership.RETRY}
    async with asyncio.timeout(LONG):
        assert await successor == "one"


def test_members_that_read_something_else_have_other_marks() -> None:
    marks = {
        subscription_mark(topics, pattern)
        for topics, pattern in ((["a"], None), (["a", "b"], None), (["a"], "b.*"), (["ab"], None), ([], "a"))
    }
    assert len(marks) == 5
    assert subscription_mark(["b", "a"], None) == subscription_mark(["a", "b"], None)


async def test_stranger_takes_another_id(group: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(membership, "STRANGER_WAIT", 0.01)
    async with asyncio.timeout(LONG), hold("one", group, owner=1), hold("one", group, owner=2) as second:
        assert second.instance_id == "one.2"
        assert await enter(group, owner=3) == "one.3"


async def test_same_id_of_another_group_is_free(group: str) -> None:
    async with asyncio.timeout(LONG), hold("one", group), hold("one", f"{group}-other") as held:
        assert held.instance_id == "one"


async def test_id_of_a_worker_that_is_killed_is_free_at_once(group: str) -> None:
    code = HOLDER.replace("GROUP", group).replace("OWNER", str(os.getpid()))
    async with asyncio.timeout(LONG), await anyio.open_process([sys.executable, "-c", code]) as child:
        assert child.stdout is not None
        assert (await child.stdout.receive()).startswith(b"one")
        successor = asyncio.ensure_future(enter(group, owner=os.getpid()))
        child.kill()
        assert await successor == "one"


SQUATTER = """
import hashlib, os, socket, sys
os.setuid(int(sys.argv[1]))
held = []
for number in range(1, int(sys.argv[3]) + 1):
    sock = socket.socket(socket.AF_UNIX)
    candidate = "one" if number == 1 else f"one.{number}"
    sock.bind(b"\\0pywatt-member-" + hashlib.sha256(f"{sys.argv[2]}\\0{candidate}".encode()).hexdigest().encode())
    sock.listen()
    held.append(sock)
print("held", flush=True)
sys.stdin.read()
"""
NOBODY = 65534


@pytest.fixture
def squat(group: str) -> Iterator[Callable[[int, int], None]]:
    """Hold names as some user, without a word to those who connect."""
    processes = []

    def start(uid: int, names: int) -> None:
        command = [sys.executable, "-c", SQUATTER, str(uid), group, str(names)]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        processes.append(process)
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"

    yield start
    for process in processes:
        process.communicate()


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
async def test_another_user_who_holds_a_name_is_not_waited_for(
    group: str, squat: Callable[[int, int], None], caplog: pytest.LogCaptureFixture
) -> None:
    squat(NOBODY, 2)
    async with asyncio.timeout(membership.STRANGER_WAIT):
        assert await enter(group) == "one.3"
    assert "another user (uid 65534)" in caplog.text


@pytest.mark.skipif(os.getuid() != 0, reason="only root becomes another user")
async def test_a_worker_starts_although_all_names_are_held(group: str, squat: Callable[[int, int], None]) -> None:
    squat(NOBODY, membership.NUMBERS)
    async with asyncio.timeout(LONG):
        assert await enter(group) == f"one.{os.getpid()}"


async def test_a_holder_that_says_nothing_is_waited_for_only_a_while(
    group: str, squat: Callable[[int, int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(membership, "STRANGER_WAIT", 0.05)
    squat(os.getuid(), 1)
    async with asyncio.timeout(LONG):
        assert await enter(group) == "one.2"
