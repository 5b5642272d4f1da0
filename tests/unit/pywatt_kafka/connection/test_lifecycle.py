"""Tests of the lifetime of a client: use before, after, elsewhere."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import NoReturn

import anyio
import pytest

from pywatt_kafka.connection.context_task import ContextTask
from pywatt_kafka.connection.lifecycle import Lifecycle
from pywatt_kafka.errors import ClientClosed, KafkaError, WrongLoop

pytestmark = pytest.mark.anyio


async def test_calls_are_allowed_between_begin_and_end() -> None:
    lifecycle = Lifecycle("producer p")
    with pytest.raises(ClientClosed, match="the producer p is not connected") as caught:
        lifecycle.check()
    assert "connect()" in caught.value.hint
    assert lifecycle.begin()
    assert not lifecycle.begin()
    lifecycle.check()
    assert lifecycle.loop is asyncio.get_running_loop()
    assert lifecycle.end()
    assert not lifecycle.end()
    for use in (lifecycle.check, lifecycle.begin):
        with pytest.raises(ClientClosed, match="the producer p is closed"):
            use()


async def test_a_client_that_is_closed_unused_stays_closed() -> None:
    lifecycle = Lifecycle("producer p")
    assert not lifecycle.end()
    with pytest.raises(ClientClosed, match="is closed"):
        lifecycle.begin()


@pytest.mark.parametrize("ended", [False, True])
async def test_another_loop_is_refused(ended: bool) -> None:
    lifecycle = Lifecycle("producer p")
    lifecycle.begin()
    if ended:
        lifecycle.end()

    async def elsewhere() -> list[KafkaError]:
        found: list[KafkaError] = []
        for use in (lifecycle.check, lifecycle.begin, lifecycle.end):
            try:
                use()
            except KafkaError as error:
                found.append(error)
        return found

    errors = await anyio.to_thread.run_sync(asyncio.run, elsewhere())
    assert [type(error) for error in errors] == [WrongLoop] * 3
    with pytest.raises(WrongLoop):
        await anyio.to_thread.run_sync(lifecycle.check)
    assert (lifecycle.loop is None) == ended


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
async def test_a_forked_child_is_refused() -> None:
    lifecycle = Lifecycle("producer p")
    lifecycle.begin()
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        _tell_and_exit(lifecycle, writer)
    os.close(writer)
    said = (await anyio.to_thread.run_sync(os.read, reader, 1000)).decode()
    os.close(reader)
    await anyio.to_thread.run_sync(os.waitpid, child, 0)
    assert said == f"WrongLoop: the producer p was connected in process {os.getpid()} and is used in its child {child}"


def _tell_and_exit(lifecycle: Lifecycle, writer: int) -> NoReturn:
    try:
        lifecycle.check()
        said = "no error"
    except BaseException as error:  # noqa: BLE001  the child must not go on as a second test run
        said = f"{type(error).__name__}: {error}"
    os.write(writer, said.encode())
    os._exit(0)


class Steps:
    """A context manager that notes its steps."""

    def __init__(self) -> None:
        self.steps: list[str] = []

    @asynccontextmanager
    async def context(self, *, fault: Exception | None = None, late: Exception | None = None) -> AsyncIterator[None]:
        if fault is not None:
            raise fault
        self.steps.append("in")
        async with anyio.create_task_group() as tasks:
            if late is not None:
                tasks.start_soon(self._fail, late)
            yield
        self.steps.append("out")

    async def _fail(self, late: Exception) -> None:
        raise late


async def test_a_context_task_may_be_left_from_another_task() -> None:
    steps = Steps()
    held = ContextTask(steps.context())
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.enter)
    assert steps.steps == ["in"]
    async with anyio.create_task_group() as tasks:
        tasks.start_soon(held.leave)
    await held.leave()
    assert steps.steps == ["in", "out"]


async def test_a_context_task_raises_what_it_meets() -> None:
    held = ContextTask(Steps().context(fault=LookupError()))
    with pytest.raises(LookupError):
        await held.enter()
    held = ContextTask(Steps().context(late=LookupError()))
    await held.enter()
    with pytest.raises(ExceptionGroup) as caught:
        await held.leave()
    assert caught.group_contains(LookupError)


async def test_a_context_task_is_left_to_its_end_by_a_cancelled_task() -> None:
    steps = Steps()
    held = ContextTask(steps.context())
    await held.enter()
    with anyio.CancelScope() as scope:
        scope.cancel()
        await held.leave()
    assert steps.steps == ["in", "out"]
