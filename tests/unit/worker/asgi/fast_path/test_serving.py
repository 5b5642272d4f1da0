"""The time at which parts of a plain answer are sent, and actions of its application meanwhile."""

from __future__ import annotations

import asyncio
import contextvars
import gc
import weakref
from collections.abc import AsyncIterator
from typing import Any

import pytest
from harness.connection import BODY, GET, HEAD, POST, START, Connection, Manual, answer, manual_app, settle

from pywatt.http.limits import MAX_HELD
from pywatt.worker.asgi.lifespan import Receive, Scope, Send

pytestmark = pytest.mark.anyio


@pytest.fixture
async def manual() -> AsyncIterator[Manual]:
    async with manual_app() as app:
        yield app


async def test_head_and_body_leave_in_one_piece() -> None:
    connection = Connection(answer)
    for request in (GET, POST, GET):
        connection.receive(request)
        await settle(2)
    assert connection.transport.writes == [HEAD + b"ok"] * 3


async def test_a_large_body_is_not_copied_behind_its_head() -> None:
    body = b"x" * 100_000

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send({**START, "headers": [(b"content-length", b"100000")]})
        await send({**BODY, "body": body})

    connection = Connection(app)
    connection.receive(GET)
    await settle(2)
    assert [len(write) for write in connection.transport.writes][1:] == [100_000]


async def test_a_head_does_not_wait_for_a_body_that_takes_its_time(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    await manual.take(lambda: manual.send(START))
    await settle(1)
    assert connection.transport.writes == [HEAD]
    await manual.take(lambda: manual.send(BODY))
    assert connection.transport.writes == [HEAD, b"ok"]


async def test_a_head_does_not_wait_for_a_body_either_when_it_is_sent_at_once() -> None:
    never = asyncio.Event()

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        await never.wait()
        await send(BODY)

    connection = Connection(app)
    connection.receive(GET)
    await settle(2)
    assert connection.transport.writes == [HEAD]
    never.set()
    await settle(2)
    assert connection.transport.writes == [HEAD, b"ok"]


async def test_nothing_is_written_before_a_head_that_was_sent(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)

    async def begin_an_answer_and_get_rubbish() -> None:
        await manual.send(START)
        connection.receive(b"\0")

    await manual.take(begin_an_answer_and_get_rubbish)
    await manual.take(lambda: manual.send(BODY))
    await settle(2)
    assert [write[:12] for write in connection.transport.writes] == [b"HTTP/1.1 200", b"ok", b"HTTP/1.1 400"]


async def test_the_head_is_written_when_the_application_fails_behind_it() -> None:
    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        await send(START)
        raise LookupError

    connection = Connection(app)
    connection.receive(GET)
    await settle(2)
    assert connection.transport.writes == [HEAD]
    assert connection.transport.closed


async def test_who_waits_behind_the_body_hears_of_the_end_of_the_answer(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(POST)
    await settle(1)
    assert await manual.take(lambda: manual.receive()) == {"type": "http.request", "body": b"ab", "more_body": False}
    waiting = asyncio.ensure_future(manual.receive())
    await settle(3)
    assert not waiting.done()
    await manual.answer()
    assert await waiting == {"type": "http.disconnect"}
    assert await manual.receive() == {"type": "http.disconnect"}


async def test_who_waits_behind_the_body_hears_that_the_client_is_gone(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    await manual.take(lambda: manual.receive())
    waiting = asyncio.ensure_future(manual.receive())
    await settle(1)
    connection.protocol.connection_lost(ConnectionResetError())
    assert await waiting == {"type": "http.disconnect"}
    await manual.take(lambda: manual.send(START))
    assert connection.transport.writes == []


async def test_a_client_that_is_gone_at_once_leaves_no_request_to_read(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(POST)
    connection.protocol.connection_lost(None)
    await settle(1)
    assert await manual.take(lambda: manual.receive()) == {"type": "http.disconnect"}


async def test_an_answer_waits_while_the_client_does_not_read(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    connection.protocol.pause_writing()
    sending = asyncio.ensure_future(manual.send(START))
    await settle(3)
    assert not sending.done()
    connection.protocol.resume_writing()
    await sending
    await settle(1)
    assert connection.transport.writes == [HEAD]


async def test_requests_are_counted_until_the_application_returns(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    assert (connection.streams.waiting, len(connection.state.tasks)) == (1, 1)
    await manual.answer()
    assert connection.streams.waiting == 1
    manual.end()
    await settle(4)
    assert (connection.streams.waiting, len(connection.state.tasks)) == (0, 0)


async def test_a_stop_during_an_answer_closes_behind_it(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    await manual.take(lambda: manual.send(START))
    connection.protocol.shutdown()
    await manual.take(lambda: manual.send(BODY))
    await settle(1)
    assert b"".join(connection.transport.writes) == HEAD + b"ok"
    assert connection.transport.closed


async def test_a_stop_before_an_answer_is_told_in_it(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)
    connection.protocol.announce_close()
    await manual.answer()
    assert b"connection: close\r\n" in b"".join(connection.transport.writes)
    assert connection.transport.closed


async def test_a_request_behind_an_unanswered_one_waits_its_turn(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    connection.receive(POST)
    connection.receive(GET * 1000)
    await settle(2)
    assert len(manual.tasks) == 1
    assert not connection.transport.paused
    connection.receive(GET * (MAX_HELD // len(GET)))
    assert connection.transport.paused
    await manual.answer()
    await settle(3)
    assert len(manual.tasks) == 2
    assert (await manual.take(lambda: manual.receive()))["body"] == b"ab"
    assert connection.transport.paused


async def test_pipelined_requests_are_served_one_by_one_and_reading_goes_on() -> None:
    connection = Connection(answer)
    count = 2 * MAX_HELD // len(GET)
    connection.receive(GET * count)
    assert connection.transport.paused
    served = 0
    writes = connection.transport.writes
    while len(writes) < count:
        before = len(writes)
        await settle(1)
        served = max(served, len(writes) - before)
        assert connection.transport.paused or len(connection.protocol._held) <= MAX_HELD
    assert served == 1
    assert not connection.transport.paused


async def test_no_request_is_begun_while_the_client_takes_nothing(manual: Manual) -> None:
    connection = Connection(manual)
    connection.receive(GET)
    await settle(1)

    async def answer_more_than_is_taken() -> None:
        await manual.send(START)
        await manual.send(BODY)
        connection.protocol.pause_writing()

    connection.receive(GET)
    connection.receive(POST)
    await manual.take(answer_more_than_is_taken)
    for _ in range(3):
        connection.receive(GET)
        await settle(3)
    assert len(manual.tasks) == 1
    connection.protocol.resume_writing()
    await settle(3)
    assert len(manual.tasks) == 2


async def test_a_lost_connection_is_no_garbage() -> None:
    connection = Connection(answer)
    connection.receive(GET)
    await settle(2)
    connection.transport.lose()
    protocol = weakref.ref(connection.protocol)
    gc.disable()
    try:
        del connection
        assert protocol() is None
    finally:
        gc.enable()


VARIABLE: contextvars.ContextVar[int] = contextvars.ContextVar("VARIABLE", default=0)


async def test_each_request_has_a_task_and_a_context_of_its_own() -> None:
    seen: list[tuple[int, asyncio.Task[Any] | None]] = []

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        seen.append((VARIABLE.get(), asyncio.current_task()))
        VARIABLE.set(1)
        async with asyncio.timeout(1):
            await answer(scope, receive, send)

    connection = Connection(app)
    for _ in range(2):
        connection.receive(GET)
        await settle(2)
    assert [value for value, _ in seen] == [0, 0]
    assert len({None, asyncio.current_task(), *(task for _, task in seen)}) == 4
    assert VARIABLE.get() == 0


async def test_a_task_factory_of_the_application_makes_its_tasks() -> None:
    made: list[asyncio.Task[Any]] = []

    def factory(loop: asyncio.AbstractEventLoop, coroutine: Any, **options: Any) -> asyncio.Task[Any]:
        made.append(asyncio.Task(coroutine, loop=loop, **options))
        return made[-1]

    asyncio.get_running_loop().set_task_factory(factory)
    connection = Connection(answer)
    connection.receive(GET)
    await settle(2)
    asyncio.get_running_loop().set_task_factory(None)
    assert len(made) == 1


@pytest.mark.parametrize(
    ("first", "again"),
    [
        (b"", b"OPTIONS * HTTP/1.1\r\nHost: a\r\n\r\n"),
        (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n", b"1\r\nx\r\n"),
        (b"", b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx"),
    ],
    ids=["requests to the server", "tiny chunks", "bodies"],
)
async def test_whatever_waits_for_its_turn_is_bounded(first: bytes, again: bytes) -> None:
    connection = Connection(answer)
    connection.receive(first + again * (MAX_HELD // len(again) + 1))
    connection.receive(again * (MAX_HELD // len(again)))
    assert connection.transport.paused
    for _ in range(3):
        await settle(1)
        assert connection.transport.paused or len(connection.protocol._held) <= MAX_HELD
    connection.transport.close()
    connection.protocol.connection_lost(None)
    await settle(4)
