"""Receives the delivery reports of a confluent-kafka Producer, and passes their outcomes on in the event loop.

A thread waits for reports. While many records are written, this would cost more than the records themselves: each
report takes Python's lock from the event loop, which is busy too. So once reports come in large numbers, the event loop
fetches them itself, until none has come for a moment.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from functools import partial
from typing import Any

from pywatt_kafka.engine.protocols import Acknowledge
from pywatt_kafka.errors import KafkaError
from pywatt_kafka.rdkafka.errors import translate
from pywatt_kafka.records import RecordPosition

BURST = 1000  # outcomes passed on before the event loop gets a turn
BUSY = 100  # outcomes at once from which on the event loop fetches the reports
FETCH_INTERVAL = 0.001  # seconds between polls of the event loop while there are no reports
FETCH_ATTEMPTS = 10  # polls without a report after which the thread waits for them again
POLL_INTERVAL = 0.2  # seconds between checks of the thread whether to end
UNKNOWN_OFFSET = -1  # with acks=0, and of a batch that a retry found written already

_position = partial(tuple.__new__, RecordPosition)
"""Makes a RecordPosition without the call into Python that its constructor is."""


class DeliveryReports:
    """The delivery reports of one producer."""

    def __init__(
        self,
        producer: Any,
        loop: asyncio.AbstractEventLoop,
        *,
        failure: Callable[[str, BaseException], KafkaError],
        failed: Callable[[Any], None],
        fetched_by_loop: bool,
    ) -> None:
        """`failed`: called in any thread with a fatal error. `fetched_by_loop` False: always the thread polls."""
        from confluent_kafka import KafkaException

        self._poll = producer.poll
        self._native_error = KafkaException
        self._failure = failure
        self._failed = failed
        self._may_fetch = fetched_by_loop
        self._loop = loop
        self._outcomes: list[tuple[Callable[[Any], None], Any]] = []
        self._is_awaited = False
        """The event loop is going to look for outcomes without being woken."""
        self.fetching = False
        """True while the event loop fetches the reports."""
        self._has_fetched = asyncio.Event()
        self._attempts = 0
        self._closing = False
        self._thread_polls = threading.Event()
        self._thread_polls.set()
        self._thread = threading.Thread(target=self._listen, name="rdkafka-acks", daemon=True)
        self.room = asyncio.Event()
        """Set when there were reports: librdkafka's queue has room again."""
        self.room.set()
        self.received = self._receiver()
        """Receives a callback for the outcome, and the arguments of a delivery report; called in any thread."""

    def start(self) -> None:
        """Start the thread."""
        self._thread.start()

    def stop(self) -> None:
        """Let the thread end."""
        self._closing = True
        self._thread_polls.set()

    def join(self) -> None:
        """Wait until the thread has ended, unless it was not started; called in another thread."""
        if self._thread.ident is not None:
            self._thread.join()

    def pass_all(self) -> None:
        """Pass on all outcomes; called in the event loop."""
        while self._outcomes:
            self._pass_on()

    @property
    def waiting(self) -> bool:
        """True while there are outcomes that were not passed on."""
        return bool(self._outcomes)

    def losses(self, lost: Acknowledge) -> Callable[[Any, Any], None]:
        """Return a receiver of delivery reports that passes on errors alone; called in any thread."""
        received = self.received

        def failed(error: Any, message: Any) -> None:
            if error is not None:
                received(lost, error, message)

        return failed

    def collect(self) -> None:
        """Fetch the reports so far, or see to it that the event loop fetches the next ones: there will be many."""
        if self._closing or not self._may_fetch:
            return
        if self.fetching:
            self._poll_now()
        else:
            self._thread_polls.clear()

    async def fetched(self) -> None:
        """Wait until the event loop has fetched reports again, or no longer fetches any."""
        self._has_fetched.clear()
        await self._has_fetched.wait()

    def _receiver(self) -> Callable[[Acknowledge, Any, Any], None]:
        add = self._outcomes.append
        fail = self._fail

        def received(done: Acknowledge, error: Any, message: Any) -> None:
            if error is None:
                offset = message.offset()
                if offset is None:
                    offset = UNKNOWN_OFFSET
                add((done, _position((message.topic(), message.partition(), offset))))
            else:
                add((partial(fail, done, message.topic()), error))
            if not self._is_awaited:
                self._is_awaited = True
                self._loop.call_soon_threadsafe(self._settle)

        return received

    def _listen(self) -> None:
        while not self._closing:
            try:
                self._poll(POLL_INTERVAL)
            except self._native_error as error:  # a fatal one
                self._failed(error.args[0])
            if not self.room.is_set():
                self._loop.call_soon_threadsafe(self.room.set)
            if not self._thread_polls.is_set():  # not before: reports that both receive would get out of order
                self._loop.call_soon_threadsafe(self._begin_to_fetch)
                self._thread_polls.wait()

    def _settle(self) -> None:
        """Pass on outcomes; called in the event loop."""
        self._is_awaited = False
        if self._may_fetch and len(self._outcomes) >= BUSY and not self._closing:
            self._thread_polls.clear()
        self._pass_on()
        if self._outcomes and not self._is_awaited:
            self._is_awaited = True
            self._loop.call_soon(self._settle)

    def _begin_to_fetch(self) -> None:
        if not self._closing:
            self.fetching = True
            self._attempts = FETCH_ATTEMPTS
            self._fetch()

    def _fetch(self) -> None:
        """Poll in the event loop, and pass on outcomes."""
        self._is_awaited = False
        self._has_fetched.set()
        if self._closing:
            self.fetching = False
            self._settle()
            return
        self._is_awaited = True
        served = self._poll_now() if len(self._outcomes) < BURST else 0
        if served or self._outcomes:
            self._attempts = FETCH_ATTEMPTS
            self._pass_on()
            self._loop.call_soon(self._fetch)
        elif self._attempts:
            self._attempts -= 1
            self._loop.call_later(FETCH_INTERVAL, self._fetch)
        else:
            self._is_awaited = self.fetching = False
            self._thread_polls.set()

    def _poll_now(self) -> int:
        """Poll in the event loop; return the number of reports, each of a batch."""
        try:
            served: int = self._poll(0)
        except self._native_error as error:
            self._failed(error.args[0])
            return 0
        if served:
            self.room.set()
        return served

    def _pass_on(self) -> None:
        """Pass on a burst of outcomes."""
        outcomes = self._outcomes
        burst = outcomes[:BURST]
        del outcomes[:BURST]
        left = iter(burst)
        while True:
            try:
                for done, outcome in left:
                    done(outcome)
                break
            except Exception as error:  # noqa: BLE001  the caller's mistake must not keep others from their outcome
                self._loop.call_exception_handler(
                    {"message": "a callback for the outcome of a record failed", "exception": error}
                )
            except BaseException:  # the program is being ended
                outcomes[:0] = left
                raise
        self.room.set()

    def _fail(self, done: Acknowledge, topic: str, error: Any) -> None:
        """Report an error; called in the event loop."""
        if error.code() == error._MSG_TIMED_OUT:
            done(self._failure(topic, TimeoutError()))
        else:
            done(self._failure(topic, translate(error, during=f"writing to topic {topic}")))
