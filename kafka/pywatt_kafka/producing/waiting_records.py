"""Records that cannot be given to the engine yet: one queue per topic, so that they never overtake each other."""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Protocol

from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.engine.protocols import Acknowledge, ProducerEngine
from pywatt_kafka.engine.topic_names import check_topic_name
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, UnknownTopic
from pywatt_kafka.records import OutgoingRecord, RecordPosition
from pywatt_kafka.timeout_queue import TimeoutQueue

RETRY_PAUSE = 0.1  # seconds until an engine that could not take a record is asked again
READY_LIMIT = 2.0  # seconds until it is looked whether the engine was replaced meanwhile
BURST = 500  # records handed over before the event loop gets a turn


class Failure(Protocol):
    """Returns the error for a record of a topic; `sent`: the record may be in flight."""

    def __call__(self, topic: str, error: BaseException, *, sent: bool) -> KafkaError: ...


class WaitingRecord:
    """A place in a topic's queue; called with the outcome of its record."""

    __slots__ = ("_left", "done", "ended", "record", "sent", "topic")

    def __init__(self, topic: str, record: OutgoingRecord | None, done: Acknowledge) -> None:
        """`record` None: it is still being serialized."""
        self.topic = topic
        self.record = record
        self.done = done
        self.ended = False
        self.sent = False
        self._left: asyncio.Future[None] | None = None

    def __call__(self, outcome: RecordPosition | KafkaError) -> None:
        if not self.ended:
            self.ended = True
            self.leave()
            self.done(outcome)

    def leave(self) -> None:
        """Let those continue who wait for this record to have left its queue."""
        if self._left is not None and not self._left.done():
            self._left.set_result(None)

    async def left(self) -> None:
        """Wait until the record was handed over, or has failed."""
        if self.ended or self.sent:
            return
        if self._left is None:
            self._left = asyncio.get_running_loop().create_future()
        await asyncio.shield(self._left)


class _Queue(deque[WaitingRecord]):
    """The records of one topic that wait."""

    def __init__(self) -> None:
        super().__init__()
        self.changed = asyncio.Event()
        """Set when a record was serialized, or needs no writing any more."""


class WaitingRecords:
    """Hands records over to the engine in their order once it is connected, knows their topic and has room."""

    def __init__(
        self, connection: ClusterConnection[ProducerEngine], request_timeout: float, *, failure: Failure
    ) -> None:
        """`request_timeout`: seconds after which a record fails unless the engine takes records of its topic."""
        self.topics: dict[str, _Queue] = {}
        """The topics of which records wait: later ones must wait behind them."""
        self._connection = connection
        self._request_timeout = request_timeout
        self._failure = failure
        self._progress: dict[str, float] = {}
        """Time at which the engine last took a record of a topic from its queue."""
        self._timeouts: TimeoutQueue[WaitingRecord] = TimeoutQueue(
            request_timeout, ended=lambda waiting: waiting.ended or waiting.sent, expired=self._expire
        )

    def add(self, topic: str, record: OutgoingRecord | None, done: Acknowledge) -> WaitingRecord:
        """Add a record to the end of its topic's queue; None takes its place while it is being serialized."""
        waiting = WaitingRecord(topic, record, done)
        self._timeouts.add(waiting)
        queue = self.topics.get(topic)
        if queue is not None:
            queue.append(waiting)
            return waiting
        queue = self.topics[topic] = _Queue()
        queue.append(waiting)
        self._connection.start_soon(self._hand_over, topic, queue)
        return waiting

    def fill(self, waiting: WaitingRecord, record: OutgoingRecord) -> None:
        """Put the serialized record in its place."""
        waiting.record = record
        self._wake(waiting.topic)

    def discard(self, waiting: WaitingRecord) -> None:
        """Take a record back, unless the engine has it: its caller was cancelled, or it could not be serialized."""
        if not waiting.sent and not waiting.ended:
            waiting.ended = True
            waiting.leave()
            self._wake(waiting.topic)

    async def drained(self) -> None:
        """Wait until all records that wait now have been handed over, or have failed."""
        for last in [queue[-1] for queue in self.topics.values() if queue]:
            await last.left()

    def close(self) -> None:
        """Cancel the timer."""
        self._timeouts.close()

    def _wake(self, topic: str) -> None:
        if (queue := self.topics.get(topic)) is not None:
            queue.changed.set()

    async def _hand_over(self, topic: str, queue: _Queue) -> None:
        closed = f"writing to topic {topic}: the producer was closed"
        try:
            while queue:
                try:
                    check_topic_name(topic)
                    engine = await self._connection.accepted()
                    if (first := _first(queue)) is None:
                        break
                    if first.record is None:
                        queue.changed.clear()
                        await queue.changed.wait()
                        continue
                    async with asyncio.timeout(READY_LIMIT):
                        await engine.ready(first.record)
                except TimeoutError:
                    continue
                except KafkaUnavailable:
                    await asyncio.sleep(RETRY_PAUSE)
                    continue
                except KafkaError as error:
                    while queue:
                        queue.popleft()(self._failure(topic, error, sent=False))
                    break
                self._append(engine, topic, queue)
                await asyncio.sleep(0)
        finally:
            del self.topics[topic]
            self._progress.pop(topic, None)
            while queue:
                queue.popleft()(KafkaUnavailable(closed))

    def _append(self, engine: ProducerEngine, topic: str, queue: _Queue) -> None:
        """Append a burst of records, as far as the engine takes them."""
        now = asyncio.get_running_loop().time()
        for _ in range(BURST):
            waiting = _first(queue)
            if waiting is None or waiting.record is None:
                return
            try:
                if not engine.append(waiting.record, waiting.done):
                    return
            except Exception as error:  # noqa: BLE001  it is this record's alone
                waiting(self._failure(topic, error, sent=False))
            else:
                waiting.sent = True
                waiting.leave()
                self._progress[topic] = now
            queue.popleft()

    def _expire(self, waiting: WaitingRecord) -> None:
        topic = waiting.topic
        since = asyncio.get_running_loop().time() - self._request_timeout
        if self._progress.get(topic, since) > since:  # its turn will come
            self._timeouts.add(waiting)
        elif self._is_missing(topic, since):
            waiting(
                UnknownTopic(
                    f"topic {topic} does not exist, and was not created within {self._request_timeout:g} s",
                    hint="create it: pywatt kafka topics create; or wait longer: request_timeout",
                )
            )
            self._wake(topic)
        else:
            waiting(self._failure(topic, TimeoutError(), sent=False))
            self._wake(topic)

    def _is_missing(self, topic: str, since: float) -> bool:
        """Return whether the brokers have answered since then that there is no such topic."""
        engine = self._connection.engine
        if not self._connection.is_connected or engine is None or engine.knows(topic):
            return False
        missed_at = engine.missed_at(topic)
        return missed_at is not None and missed_at > since


def _first(queue: _Queue) -> WaitingRecord | None:
    """Return the first record that is still to be written."""
    while queue:
        if not queue[0].ended:
            return queue[0]
        queue.popleft()
    return None
