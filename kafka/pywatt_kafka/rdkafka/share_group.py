"""A member of a share group: one confluent-kafka ShareConsumer, which only one thread may use.

librdkafka hands out the next records when all of the last ones are acknowledged. So the thread polls only then, and
sends acknowledgements in between; those that are made while a request is under way travel in the next one.
"""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, NamedTuple

from pywatt_kafka.engine.share_group import Acknowledgement, AcquiredRecord, Place, ShareSettings
from pywatt_kafka.errors import CommitFailed, KafkaError, KafkaUnavailable, MissingDependency
from pywatt_kafka.rdkafka.client_health import ClientHealth
from pywatt_kafka.rdkafka.errors import translate, translated
from pywatt_kafka.rdkafka.records import message_from
from pywatt_kafka.rdkafka.settings.client import CHECK_LIMIT, client_settings
from pywatt_kafka.rdkafka.settings.security import acquire_token
from pywatt_kafka.security.options import Security

ORDINARY_GROUP = "GROUP_ID_NOT_FOUND"
"""The error of a heartbeat to a group that exists and is no share group."""
POLL = 0.2  # seconds of one poll, and of one wait for acknowledgements
ACKNOWLEDGE_LIMIT = 10.0  # seconds
CLOSE_LIMIT = 15.0  # seconds
MAX_POLL_INTERVAL = 24 * 3600 * 1000  # ms, the longest; the locks of the records are the limit that counts


class _Acknowledged(NamedTuple):
    place: Place
    kind: Acknowledgement
    done: asyncio.Future[None]


class RdkafkaShareGroup:
    """A share group engine with one confluent-kafka ShareConsumer."""

    def __init__(self, brokers: tuple[str, ...], settings: ShareSettings, security: Security) -> None:
        self._brokers = brokers
        self._settings = settings
        self._security = security
        self._health = ClientHealth(brokers)
        self._consumer: Any = None
        self._admin: Any = None
        self._queue: queue.SimpleQueue[_Acknowledged | None] = queue.SimpleQueue()
        """None only wakes the thread."""
        self._held: set[Place] = set()
        """Records without an acknowledgement; used in the thread."""
        self._fetch: asyncio.Future[Sequence[AcquiredRecord]] | None = None
        self._wanted = threading.Event()
        self._ending = False
        self._last_error: KafkaError | None = None
        self._thread = threading.Thread(target=self._run, name="rdkafka-share", daemon=True)
        self._ended = asyncio.Event()

    async def open(self) -> None:
        """Connect and subscribe; joining continues in the background."""
        self._loop = asyncio.get_running_loop()
        await self._loop.run_in_executor(None, self._make)
        await self.check()
        self._thread.start()

    def stale(self) -> bool:
        """Return whether no broker is connected, or there was an error."""
        return self._health.down or self._last_error is not None

    async def check(self) -> None:
        """Ask for metadata."""
        from confluent_kafka import KafkaException

        error, self._last_error = self._last_error, None
        if error is not None:
            raise error
        try:
            await self._loop.run_in_executor(None, partial(self._admin.list_topics, timeout=CHECK_LIMIT))
        except KafkaException as failure:
            raise self._health.unreachable() from failure
        self._health.answered()

    def broken(self) -> bool:
        """Return whether a fatal error has stopped the client for good."""
        return self._health.fatal

    async def close(self) -> None:
        """Release the records without an acknowledgement, and leave the group."""
        self._ending = True
        self._wanted.set()
        self._queue.put(None)
        if self._thread.is_alive():
            with suppress(TimeoutError):
                async with asyncio.timeout(CLOSE_LIMIT):
                    await self._ended.wait()
        if self._fetch is not None and not self._fetch.done():
            self._fetch.set_exception(KafkaUnavailable("the connection is being closed"))
            self._fetch.exception()

    async def fetch(self) -> Sequence[AcquiredRecord]:
        """Return the next records, once all of the last ones are acknowledged. Raises KafkaError."""
        if self._fetch is None:
            self._fetch = self._loop.create_future()
            self._wanted.set()
            self._queue.put(None)
        found = await asyncio.shield(self._fetch)  # not cancelled with its caller: the next one gets its records
        self._fetch = None
        return found

    def acknowledge(self, place: Place, kind: Acknowledgement) -> asyncio.Future[None]:
        """Tell the broker what became of a record; return a future of its answer."""
        done: asyncio.Future[None] = self._loop.create_future()
        done.add_done_callback(_retrieve)
        self._queue.put(_Acknowledged(place, kind, done))
        return done

    def _make(self) -> None:
        try:
            from confluent_kafka import ShareConsumer
        except ImportError as error:
            raise MissingDependency(
                "share groups need confluent-kafka 2.16 or later", hint="pip install -U 'pywatt[rdkafka]'"
            ) from error
        from confluent_kafka.admin import AdminClient

        given = self._settings
        settings = client_settings(self._brokers, given.client_id, self._security)
        acquire_token(settings)
        with translated(f"connecting to {','.join(self._brokers)}"):
            self._admin = AdminClient(settings)
            self._consumer = ShareConsumer(
                {
                    **settings,
                    "group.id": given.group,
                    "share.acknowledgement.mode": "explicit",
                    "max.poll.interval.ms": MAX_POLL_INTERVAL,
                    "max.poll.records": given.max_records,
                    "error_cb": self._health.report,
                }
            )
            self._consumer.subscribe(list(given.topics))

    def _run(self) -> None:
        """Poll and acknowledge; the thread."""
        try:
            while not self._ending:
                self._acknowledge(self._acknowledgements())
                if not self._held and self._wanted.is_set() and not self._ending:
                    self._poll()
            self._acknowledge(self._acknowledgements(wait=False))
            self._release()
        finally:
            with suppress(*self._native_errors()):
                self._consumer.close()
            self._tell(self._ended.set)

    def _acknowledgements(self, *, wait: bool = True) -> list[_Acknowledged]:
        """Wait for an acknowledgement unless there is something to poll; return all that are there."""
        found: list[_Acknowledged] = []
        idle = wait and (bool(self._held) or not self._wanted.is_set())
        with suppress(queue.Empty):
            if idle and (first := self._queue.get(timeout=POLL)) is not None:
                found.append(first)
            while True:
                if (more := self._queue.get_nowait()) is not None:
                    found.append(more)
        return found

    def _acknowledge(self, wanted: Sequence[_Acknowledged]) -> None:
        from confluent_kafka import AcknowledgeType

        sent: list[_Acknowledged] = []
        for each in wanted:
            try:
                self._consumer.acknowledge_offset(*each.place, AcknowledgeType[each.kind.name])
            except self._native_errors() as error:
                self._answer([each], CommitFailed(f"{_named(each.place)} is not held by this member any more: {error}"))
            else:
                self._held.discard(each.place)
                sent.append(each)
        if not sent:
            return
        try:
            results = self._consumer.commit_sync(ACKNOWLEDGE_LIMIT)
        except self._native_errors() as error:
            self._answer(sent, self._translate(error, "acknowledging"))
            return
        failures = {(place.topic, place.partition): failure for place, failure in results.items()}
        for each in sent:
            failure = failures.get(each.place[:2])
            during = f"acknowledging {_named(each.place)}"
            self._answer([each], None if failure is None else self._translate(failure, during))

    def _poll(self) -> None:
        from confluent_kafka import KafkaException

        group = self._settings.group
        try:
            records = self._consumer.poll(POLL)
        except self._native_errors() as error:
            self._fail(self._translate(error, f"reading as a member of share group {group}"))
            return
        found: list[AcquiredRecord] = []
        for record in records:
            if (failure := record.error()) is not None:
                self._fail(self._translate(KafkaException(failure), f"reading as a member of share group {group}"))
                continue
            message = message_from(record)
            self._held.add((message.topic, message.partition, message.offset))
            found.append(AcquiredRecord(message, record.delivery_count() or 1))
        if found:
            self._wanted.clear()
            self._tell(partial(self._hand_out, found))

    def _release(self) -> None:
        from confluent_kafka import AcknowledgeType

        with suppress(*self._native_errors()):
            for place in self._held:
                self._consumer.acknowledge_offset(*place, AcknowledgeType.RELEASE)
            self._consumer.commit_sync(ACKNOWLEDGE_LIMIT)

    def _hand_out(self, found: Sequence[AcquiredRecord]) -> None:
        if self._fetch is not None and not self._fetch.done():
            self._fetch.set_result(found)

    def _fail(self, error: KafkaError) -> None:
        self._wanted.clear()
        self._tell(partial(self._fail_fetch, error))

    def _fail_fetch(self, error: KafkaError) -> None:
        self._last_error = error
        if self._fetch is not None and not self._fetch.done():
            self._fetch.set_exception(error)

    def _answer(self, acknowledged: Iterable[_Acknowledged], error: KafkaError | None) -> None:
        for each in acknowledged:
            self._tell(partial(_settle, each.done, error))

    def _tell(self, job: Callable[[], object]) -> None:
        with suppress(RuntimeError):  # the loop is closed
            self._loop.call_soon_threadsafe(job)

    def _translate(self, error: BaseException, during: str) -> KafkaError:
        native = error.args[0] if error.args else None
        if hasattr(native, "code"):
            self._health.report(native)
            found = translate(native, during=during)
            if found.code == ORDINARY_GROUP:
                return KafkaError(
                    f"{self._settings.group} is an ordinary consumer group, not a share group",
                    hint="choose another group id for the share group",
                    code=ORDINARY_GROUP,
                )
            return found
        return KafkaError(f"{during}: {error}")

    def _native_errors(self) -> tuple[type[BaseException], ...]:
        from confluent_kafka import KafkaException

        return (KafkaException, RuntimeError)


def _named(place: Place) -> str:
    topic, partition, offset = place
    return f"{topic}[{partition}]@{offset}"


def _settle(done: asyncio.Future[None], error: KafkaError | None) -> None:
    if done.done():
        return
    if error is None:
        done.set_result(None)
    else:
        done.set_exception(error)


def _retrieve(done: asyncio.Future[None]) -> None:
    if not done.cancelled():
        done.exception()  # else the loop logs that nobody has retrieved it
