"""Delivers the records of one topic to one target: a bounded number at once, in order, until each is done or dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import random
from time import time

from anyio.abc import TaskGroup

from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.config.options import DeadLetterFormat
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.aftermath import Aftermath
from pywatt_services.kafka_hooks.delivering.burial import Burial, RecordWriter
from pywatt_services.kafka_hooks.delivering.caller import Caller
from pywatt_services.kafka_hooks.delivering.lanes import Lane, Lanes, LaneState
from pywatt_services.kafka_hooks.delivering.meters import TopicMeter
from pywatt_services.kafka_hooks.delivering.notices import Notices
from pywatt_services.kafka_hooks.delivering.pauses import Pauses
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.breaker import BreakerState
from pywatt_services.kafka_hooks.webhooks.egress import HttpClient
from pywatt_services.kafka_hooks.webhooks.options import Order, Tombstones, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import DeadLetter
from pywatt_services.kafka_hooks.webhooks.target_name import named_target, target_name
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError

CAUSE_TOMBSTONE = "a record without a value is not delivered here"
TOMBSTONE, NO_URL = DeadLetter("tombstone"), DeadLetter("no_url")


class Webhook:
    """The deliveries of one entry of `topics`. Its tasks belong to `tasks`."""

    def __init__(
        self,
        options: WebhookOptions,
        *,
        twins: int = 0,
        client: HttpClient,
        writer: RecordWriter,
        tasks: TaskGroup,
        concurrency: int,
        dlq_format: DeadLetterFormat,
        largest_record: int | None = None,
        breaker: TargetBreaker | None = None,
        meter: TopicMeter | None = None,
        now: Callable[[], float] = time,
        rng: Callable[[], float] = random,
    ) -> None:
        """`twins`: how many entries before this one have the same topic and URL. `concurrency`: the service's.

        `largest_record`: bytes that the writer takes at most; None: that is not known. `breaker`: the target's, which
        it may share.
        """
        name = target_name(options.url, twins)
        self.id = name.id
        """By which its progress is known again after a restart; with another URL it is another target."""
        self.siblings: frozenset[int] = frozenset()
        """The ids of the topic's other targets."""
        self.options = options
        meter = meter or TopicMeter()
        self._caller = Caller(options, client, meter, now)
        self._notices = Notices(name.url, options.retry.attempts, options.dlq)
        burial = Burial(
            options.dlq,
            options.retry.topic,
            target=name,
            writer=writer,
            largest=largest_record,
            form=dlq_format,
            meter=meter,
            notices=self._notices,
            now=now,
        )
        self._aftermath = Aftermath(
            options.retry, burial, breaker=breaker, notices=self._notices, meter=meter, now=now, rng=rng
        )
        self._tasks = tasks
        self._concurrency = options.concurrency or concurrency
        self._now = now
        self._lanes: Lanes[Delivery] = Lanes(_wait_behind)
        self._pauses = Pauses(self._unpark)
        self._limit = self._concurrency
        """Runners that there may be now."""
        self._runners = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._breaker = breaker
        if breaker is not None:
            breaker.join(self)

    @property
    def breaker_state(self) -> BreakerState | None:
        """How the circuit breaker stands; None without one."""
        return None if self._breaker is None else self._breaker.state

    def lanes(self) -> Iterable[Lane[Delivery]]:
        """Return what is in work or waits, lane by lane."""
        return self._lanes

    def accept(self, delivery: Delivery) -> None:
        """Queue a record behind those that it must not overtake; one that is not for this target is done."""
        message = delivery.message
        if message.timestamp < 0:
            delivery.read_at = self._now()
        if self.siblings and message.headers and named_target(message.headers) in self.siblings:
            delivery.finish()
            return
        if self.options.filter is not None and not self.options.filter.takes(message):
            delivery.finish()
            return
        tried = delivery.share.tried(message.offset)
        if tried is not None:
            self._aftermath.take_over(delivery, tried)
        elif message.value is None and self.options.tombstones is not Tombstones.DELIVER:
            if self.options.tombstones is Tombstones.IGNORE:
                delivery.finish()
                return
            self._aftermath.condemn(delivery, TOMBSTONE, CAUSE_TOMBSTONE)
        self._lanes.add(delivery.partition.place, self._lane_key(delivery), delivery)
        self._start_runner()

    def hold(self, partition: TopicPartition) -> None:
        """Start nothing of that partition until it is released or dropped."""
        self._lanes.hold(partition)

    def release(self, partition: TopicPartition) -> None:
        """Go on with a partition that was held."""
        self._lanes.release(partition)
        self._start_runners()

    def drop(self, partition: TopicPartition) -> None:
        """Forget what is not in flight: the partition is another member's now."""
        self._lanes.drop(partition)

    def stop(self) -> None:
        """Start nothing new."""
        self._stopping = True

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()

    def break_off(self) -> None:
        """Start nothing new, and end the calls that are in flight and have no task: nothing comes of them."""
        self.stop()
        self._notices.close()
        for lane in self._lanes:
            if lane.head.call is not None:
                lane.head.call.end()

    def _lane_key(self, delivery: Delivery) -> bytes | int | None:
        """Return what the records that have to stay in order have in common."""
        order = self.options.order
        if order is Order.PARTITION:
            return None
        key = delivery.message.key
        return delivery.message.offset if order is Order.NONE or key is None else key

    def _start_runners(self) -> None:
        for _ in range(self._limit - self._runners):
            self._start_runner()

    def _start_runner(self) -> None:
        if self._runners < self._limit and not self._stopping and self._lanes.runnable:
            self._runners += 1
            self._idle.clear()
            if self._breaker is not None:
                self._breaker.begun(self)
            self._run_on()

    def _run_on(self) -> None:
        lane = self._next()
        if lane is not None:
            self._tasks.start_soon(self._run, lane)

    def _next(self) -> Lane[Delivery] | None:
        """Begin with the next runnable lane, or return it if that takes a task; with none left a runner has ended."""
        while self._runners <= self._limit and not self._stopping and (lane := self._lanes.take()) is not None:
            if not self._fail_at_once(lane):
                return None if self._begin(lane) else lane
        self._runner_ended()
        return None

    def _runner_ended(self) -> None:
        self._runners -= 1
        if not self._runners:
            self._idle.set()
        if self._breaker is not None:
            self._breaker.ended(self)

    def _begin(self, lane: Lane[Delivery]) -> bool:
        """Make an attempt at a lane's head, if that takes no task: a task costs as much as all the rest."""
        delivery = lane.items[0]
        if delivery.verdict is not None:
            return False
        call = delivery.call = self._caller.begin(lane, self)
        return call is not None

    def _fail_at_once(self, lane: Lane[Delivery]) -> bool:
        """Have the attempt at a lane's head fail if it need not be made, and will be followed by another one."""
        delivery = lane.items[0]
        if delivery.verdict is not None or (failure := self._caller.refused(delivery)) is None:
            return False
        wait = self._failed(delivery, failure)
        if wait is None:
            return False  # its verdict takes a task
        self._advance(lane, wait)
        return True

    def attempted(self, lane: Lane[Delivery], failure: Attempt | None) -> None:
        """Go on after an attempt that was begun."""
        try:
            delivery = lane.items[0]
            if failure is None:
                self._aftermath.took()
                self._lanes.finish(lane)
                if not delivery.partition.lost:
                    delivery.finish()
            elif (wait := self._failed(delivery, failure)) is not None:
                self._advance(lane, wait)
            else:
                self._tasks.start_soon(self._run, lane)  # for its verdict
                return
            self._run_on()
        except Exception as error:  # noqa: BLE001  it must end the worker, not the connection to a target
            self._tasks.start_soon(_raise, error)

    def not_attempted(self, lane: Lane[Delivery]) -> None:
        """Make an attempt that was begun, and came to nothing, in a task."""
        self._tasks.start_soon(self._run, lane)

    async def _run(self, lane: Lane[Delivery] | None = None) -> None:
        """Work on one lane after another until no task is needed for it."""
        try:
            lane = lane or self._next()
            while lane is not None:
                await self._work(lane)
                lane = self._next()
        except BaseException:
            self._runner_ended()
            raise

    async def _work(self, lane: Lane[Delivery]) -> None:
        """Do the next step of a lane's head."""
        delivery = lane.head
        wait = None
        if delivery.verdict is None:
            wait = await self._attempt(delivery)
        if wait is None and delivery.verdict is not None:
            wait = await self._aftermath.bury(delivery)
        self._advance(lane, wait)

    def _advance(self, lane: Lane[Delivery], wait: float | None) -> None:
        """Finish with a lane's head, or wait so many seconds for its next step."""
        delivery = lane.head
        if delivery.partition.lost:
            self._lanes.finish(lane)
        elif wait is None:
            self._lanes.finish(lane)
            delivery.finish()
        else:
            self._park(lane, wait)

    def _park(self, lane: Lane[Delivery], wait: float) -> None:
        self._lanes.park(lane)
        self._pauses.add(lane, wait)

    def _unpark(self, lanes: Sequence[Lane[Delivery]]) -> None:
        for lane in lanes:
            self._lanes.unpark(lane)
        for _ in lanes:  # each may have a runner of its own, or complete a bundle
            self._start_runner()

    async def _attempt(self, delivery: Delivery) -> float | None:
        """Make the next attempt; return the seconds until the one after it, None when there will be none."""
        try:
            failure = await self._caller.deliver(delivery)
        except TemplateError as error:
            self._aftermath.condemn(delivery, NO_URL, str(error))
            return None
        if failure is not None:
            return self._failed(delivery, failure)
        self._aftermath.took()
        return None

    def _failed(self, delivery: Delivery, failure: Attempt) -> float | None:
        return self._aftermath.failed(delivery, failure, counts=self._aftermath.counts(failure))

    # For the breaker.

    def leave_alone(self) -> None:
        """Start nothing until told otherwise."""
        self._limit = 0

    def try_one(self) -> None:
        """Start with one record, now or when there is one, unless calls are still under way."""
        self._limit = 0 if self._runners else 1
        self._start_runner()

    def go_on(self) -> None:
        """Start as much as is allowed."""
        self._limit = self._concurrency
        self._start_runners()

    def give_up_aged(self) -> None:
        """Have the records that were tried, and are past their age, become dead letters."""
        aged = [
            lane
            for lane in self._lanes
            if lane.state is LaneState.RUNNABLE and self._aftermath.is_past_its_age(lane.head)
        ]
        if aged and not self._stopping:
            self._runners += 1
            self._idle.clear()
            self._tasks.start_soon(self._give_up, aged)

    async def _give_up(self, aged: Sequence[Lane[Delivery]]) -> None:
        try:
            for lane in aged:
                while (
                    not self._stopping
                    and lane.items
                    and self._aftermath.is_past_its_age(lane.head)
                    and self._lanes.claim(lane)
                ):
                    self._aftermath.give_up(lane.head)
                    self._advance(lane, await self._aftermath.bury(lane.head))
        finally:
            self._runner_ended()
            self._start_runners()


def _wait_behind(delivery: Delivery, more: int) -> None:
    delivery.partition.wait_behind(delivery.share, more)


async def _raise(error: Exception) -> None:
    raise error
