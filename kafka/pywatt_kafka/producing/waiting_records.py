"""Records that cannot be given to the engine yet: one queue per topic, so that they never overtake each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable
from functools import partial
from typing import Protocol

from pywatt_kafka.connection.cluster_connection import ClusterConnection
from pywatt_kafka.engine.protocols import Acknowledge, ProducerEngine
from pywatt_kafka.engine.topic_names import check_topic_name
from pywatt_kafka.errors import KafkaError, KafkaUnavailable, UnknownTopic
from pywatt_kafka.records import OutgoingRecord, RecordPosition
from pywatt_kafka.timeout_queue import TimeoutQueue

RETRY_PAUSE = 0.1  # seconds until an engine that could not take a record is asked again
BURST = 500  # records handed over before the event loop gets a turn


class Failure(Protocol):
    """Returns the error for a record of a topic; `sent`: the record may be in flight."""

    def __call__(self, topic: str, error: BaseException, *, sent: bool) -> KafkaError: ...


class _Waiting:
    """One record in a queue; called with its outcome."""

    __slots__ = ("done", "ended", "record", "sent")

    def __init__(self, record: OutgoingRecord, done: Acknowledge) -> None:
        self.record = record
        self.done = done
        self.ended = False
        self.sent = False

    def __call__(self, outcome: RecordPosition | KafkaError) -> None:
        if not self.ended:
            self.ended = True
            self.done(outcome)


class WaitingRecords:
    """Hands records over to the engine in their order once it is connected, knows their topic and has room."""

    def __init__(
        self, connection: ClusterConnection[ProducerEngine], request_timeout: float, *, failure: Failure
    ) -> None:
        """`request_timeout`: seconds after which a record fails, from the moment it is added."""
        self._connection = connection
        self._failure = failure
        self._queues: dict[str, deque[_Waiting]] = {}
        self._timeouts: TimeoutQueue[_Waiting] = TimeoutQueue(
            request_timeout, ended=lambda waiting: waiting.ended, expired=self._expire
        )

    def __contains__(self, topic: str) -> bool:
        """Return whether records of a topic wait: later ones must wait behind them."""
        return topic in self._queues

    def add(self, record: OutgoingRecord, done: Acknowledge) -> None:
        """Add a record to the end of its topic's queue."""
        waiting = _Waiting(record, done)
        self._timeouts.add(waiting)
        queue = self._queues.get(record.topic)
        if queue is not None:
            queue.append(waiting)
            return
        queue = self._queues[record.topic] = deque((waiting,))
        self._connection.start_soon(self._hand_over, record.topic, queue)

    def close(self) -> None:
        """Cancel the timer."""
        self._timeouts.close()

    async def _hand_over(self, topic: str, queue: deque[_Waiting]) -> None:
        try:
            try:
                check_topic_name(topic)
            except KafkaError as error:
                _end(queue, partial(self._failure, topic, error, sent=False))
            while queue:
                engine = await self._connection.connected()
                if not queue:
                    break
                try:
                    await engine.ready(queue[0].record)
                except KafkaUnavailable:
                    await asyncio.sleep(RETRY_PAUSE)
                    continue
                except KafkaError as error:
                    _end(queue, partial(self._failure, topic, error, sent=False))
                    break
                if not self._append(engine, topic, queue):
                    await asyncio.sleep(0)
        finally:
            del self._queues[topic]
            _end(queue, lambda: KafkaUnavailable(f"writing to topic {topic}: the producer was closed"))

    def _append(self, engine: ProducerEngine, topic: str, queue: deque[_Waiting]) -> bool:
        """Append a burst of records; return whether the queue is empty."""
        for _ in range(BURST):
            if not queue:
                return True
            waiting = queue[0]
            if not waiting.ended:
                try:
                    if not engine.append(waiting.record, waiting):
                        return False
                except Exception as error:  # noqa: BLE001  it is this record's alone
                    waiting(self._failure(topic, error, sent=False))
                waiting.sent = True
            queue.popleft()
        return not queue

    def _expire(self, waiting: _Waiting) -> None:
        topic = waiting.record.topic
        engine, connected = self._connection.engine, self._connection.is_connected
        queue = self._queues.get(topic)
        while queue and queue[0].ended:
            queue.popleft()
        if queue and queue[0] is waiting:
            queue.popleft()
        if not waiting.sent and connected and engine is not None and not engine.knows(topic):
            unknown = UnknownTopic(f"topic {topic} does not exist, and the broker does not create it")
            waiting(unknown)
        else:
            waiting(self._failure(topic, TimeoutError(), sent=waiting.sent))


def _end(queue: deque[_Waiting], error: Callable[[], KafkaError]) -> None:
    while queue:
        queue.popleft()(error())
