"""Delivers the records of one topic to one target: a bounded number at once, in order, until each is done or dead."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from random import random
from time import time

from anyio.abc import TaskGroup

from pywatt.circuit_breaker import BreakerState
from pywatt_kafka.dlq.codec import DeadLetterFormat
from pywatt_kafka.processing.delay_queue import DelayQueue
from pywatt_kafka.processing.key_queues import KeyQueue, KeyQueues, QueueState
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.failure_log import FailureLog
from pywatt_services.kafka_hooks.delivering.outcome_handler import OutcomeHandler
from pywatt_services.kafka_hooks.delivering.target_breaker import TargetBreaker
from pywatt_services.kafka_hooks.delivering.target_caller import Caller, MakeCaller
from pywatt_services.kafka_hooks.delivering.undelivered_writer import RecordWriter, UndeliveredWriter
from pywatt_services.kafka_hooks.metrics.delivery_metrics import TopicMetrics
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.egress import WebhookClient
from pywatt_services.kafka_hooks.webhooks.options import Order, Tombstones, WebhookOptions
from pywatt_services.kafka_hooks.webhooks.retry import SendToDlq
from pywatt_services.kafka_hooks.webhooks.target_name import named_target, target_name
from pywatt_services.kafka_hooks.webhooks.templates import TemplateError

CAUSE_TOMBSTONE = "a record without a value is not delivered here"
TOMBSTONE, NO_URL = SendToDlq("tombstone"), SendToDlq("no_url")


class Webhook:
    """The deliveries of one entry of `topics`. Its tasks belong to `tasks`."""

    def __init__(
        self,
        options: WebhookOptions,
        *,
        duplicate_index: int = 0,
        client: WebhookClient,
        writer: RecordWriter,
        tasks: TaskGroup,
        concurrency: int,
        dlq_format: DeadLetterFormat,
        largest_record: int | None = None,
        breaker: TargetBreaker | None = None,
        metrics: TopicMetrics | None = None,
        make_caller: MakeCaller = Caller,
        now: Callable[[], float] = time,
        rng: Callable[[], float] = random,
    ) -> None:
        """`duplicate_index`: number of earlier entries with the same topic and URL. `concurrency`: the service's.

        `largest_record`: bytes that the writer takes at most; None: that is not known. `breaker`: the target's, which
        it may share.
        """
        name = target_name(options.url, duplicate_index)
        self.id = name.id
        """Identity of its progress across restarts; another URL makes another target."""
        self.other_targets: frozenset[int] = frozenset()
        """The ids of the topic's other targets."""
        self.options = options
        metrics = metrics or TopicMetrics()
        self._caller = make_caller(options, client, metrics, now)
        self._failure_log = FailureLog(name.url, options.retry.attempts, options.dlq)
        undelivered_writer = UndeliveredWriter(
            options.dlq,
            options.retry.topic,
            target=name,
            writer=writer,
            largest=largest_record,
            form=dlq_format,
            metrics=metrics,
            failure_log=self._failure_log,
            now=now,
        )
        self._outcome_handler = OutcomeHandler(
            options.retry,
            undelivered_writer,
            breaker=breaker,
            failure_log=self._failure_log,
            metrics=metrics,
            now=now,
            rng=rng,
        )
        self._tasks = tasks
        self._concurrency = options.concurrency or concurrency
        self._now = now
        self._queues: KeyQueues[Delivery] = KeyQueues(_wait_behind)
        self._delayed = DelayQueue(self._unpark)
        self._limit = self._concurrency
        """Maximum number of runners now."""
        self._runners = 0
        self._stopping = False
        self._idle = asyncio.Event()
        self._idle.set()
        self._breaker = breaker
        if breaker is not None:
            breaker.join(self)

    @property
    def breaker_state(self) -> BreakerState | None:
        """State of the circuit breaker; None without one."""
        return None if self._breaker is None else self._breaker.state

    def queues(self) -> Iterable[KeyQueue[Delivery]]:
        """Return the queues of unfinished records."""
        return self._queues

    def accept(self, delivery: Delivery) -> None:
        """Queue a record behind those that it must not overtake; finish one that is for another target."""
        message = delivery.message
        if message.timestamp < 0:
            delivery.read_at = self._now()
        if self.other_targets and message.headers and named_target(message.headers) in self.other_targets:
            delivery.finish()
            return
        if self.options.filter is not None and not self.options.filter.takes(message):
            delivery.finish()
            return
        attempt_record = delivery.share.attempt_record(message.offset)
        if attempt_record is not None:
            self._outcome_handler.resume(delivery, attempt_record)
        elif message.value is None and self.options.tombstones is not Tombstones.DELIVER:
            if self.options.tombstones is Tombstones.IGNORE:
                delivery.finish()
                return
            self._outcome_handler.dead_letter(delivery, TOMBSTONE, CAUSE_TOMBSTONE)
        self._queues.add(delivery.partition.place, self._queue_key(delivery), delivery)
        self._start_runner()

    def hold(self, partition: TopicPartition) -> None:
        """Start nothing of that partition until it is released or dropped."""
        self._queues.hold(partition)

    def release(self, partition: TopicPartition) -> None:
        """Go on with a partition that was held."""
        self._queues.release(partition)
        self._start_runners()

    def drop(self, partition: TopicPartition) -> None:
        """Drop the records of a partition that are not in flight: it belongs to another member."""
        self._queues.drop(partition)

    def withdraw(self, delivery: Delivery) -> bool:
        """Drop a record that need not be in order, unless it is in flight; return whether it was dropped."""
        return self._queues.drop_key(delivery.partition.place, self._queue_key(delivery))

    def stop(self) -> None:
        """Start nothing new."""
        self._stopping = True

    async def idle(self) -> None:
        """Wait until nothing is in flight."""
        await self._idle.wait()

    def break_off(self) -> None:
        """Start nothing new, and end the calls that are in flight and have no task: nothing comes of them."""
        self.stop()
        self._failure_log.close()
        for queue in self._queues:
            if queue.head.call is not None:
                queue.head.call.end()

    def _queue_key(self, delivery: Delivery) -> bytes | int | None:
        """Return the key that records share which must stay in order."""
        order = self.options.order
        if order is Order.PARTITION:
            return None
        key = delivery.message.key
        return delivery.message.offset if order is Order.NONE or key is None else key

    def _start_runners(self) -> None:
        for _ in range(self._limit - self._runners):
            self._start_runner()

    def _start_runner(self) -> None:
        if self._runners < self._limit and not self._stopping and self._queues.runnable:
            self._runners += 1
            self._idle.clear()
            if self._breaker is not None:
                self._breaker.begun(self)
            self._run_on()

    def _run_on(self) -> None:
        queue = self._next()
        if queue is not None:
            self._tasks.start_soon(self._run, queue)

    def _next(self) -> KeyQueue[Delivery] | None:
        """Begin with the next runnable queue, or return it if that takes a task; with none left a runner has ended."""
        while self._runners <= self._limit and not self._stopping and (queue := self._queues.take()) is not None:
            if not self._fail_at_once(queue):
                return None if self._begin(queue) else queue
        self._runner_ended()
        return None

    def _runner_ended(self) -> None:
        self._runners -= 1
        if not self._runners:
            self._idle.set()
        if self._breaker is not None:
            self._breaker.ended(self)

    def _begin(self, queue: KeyQueue[Delivery]) -> bool:
        """Make an attempt at a queue's head, if that takes no task: a task costs as much as all the rest."""
        delivery = queue.items[0]
        if delivery.disposition is not None:
            return False
        call = delivery.call = self._caller.begin(queue, self)
        return call is not None

    def _fail_at_once(self, queue: KeyQueue[Delivery]) -> bool:
        """Fail the attempt at a queue's head without a call, if the target refuses calls and another one follows."""
        delivery = queue.items[0]
        if delivery.disposition is not None or (failure := self._caller.refused(delivery)) is None:
            return False
        wait = self._failed(delivery, failure)
        if wait is None:
            return False  # its disposition takes a task
        self._advance(queue, wait)
        return True

    def attempted(self, queue: KeyQueue[Delivery], failure: Attempt | None) -> None:
        """Go on after an attempt that was begun."""
        try:
            delivery = queue.items[0]
            if failure is None:
                self._outcome_handler.succeeded()
                self._queues.finish(queue)
                if not delivery.partition.lost:
                    delivery.finish()
            elif (wait := self._failed(delivery, failure)) is not None:
                self._advance(queue, wait)
            else:
                self._tasks.start_soon(self._run, queue)  # for its disposition
                return
            self._run_on()
        except Exception as error:  # noqa: BLE001  it must end the worker, not the connection to a target
            self._tasks.start_soon(_raise, error)

    def not_attempted(self, queue: KeyQueue[Delivery]) -> None:
        """Make the attempt in a task, as it could not be begun without one."""
        self._tasks.start_soon(self._run, queue)

    async def _run(self, queue: KeyQueue[Delivery] | None = None) -> None:
        """Work on one queue after another until no task is needed for it."""
        try:
            queue = queue or self._next()
            while queue is not None:
                await self._work(queue)
                queue = self._next()
        except BaseException:
            self._runner_ended()
            raise

    async def _work(self, queue: KeyQueue[Delivery]) -> None:
        """Do the next step of a queue's head."""
        delivery = queue.head
        wait = None
        if delivery.disposition is None:
            wait = await self._attempt(delivery)
        if wait is None and delivery.disposition is not None:
            wait = await self._outcome_handler.carry_out(delivery)
        self._advance(queue, wait)

    def _advance(self, queue: KeyQueue[Delivery], wait: float | None) -> None:
        """Finish a queue's head, or park the queue for `wait` seconds until the next step."""
        delivery = queue.head
        if delivery.partition.lost:
            self._queues.finish(queue)
        elif wait is None:
            self._queues.finish(queue)
            delivery.finish()
        else:
            self._park(queue, wait)

    def _park(self, queue: KeyQueue[Delivery], wait: float) -> None:
        self._queues.park(queue)
        self._delayed.add(queue, wait)

    def _unpark(self, queues: Sequence[KeyQueue[Delivery]]) -> None:
        for queue in queues:
            self._queues.unpark(queue)
        for _ in queues:  # each may have a runner of its own, or complete a bundle
            self._start_runner()

    async def _attempt(self, delivery: Delivery) -> float | None:
        """Make the next attempt; return the seconds until the one after it, None when there will be none."""
        try:
            failure = await self._caller.deliver(delivery)
        except TemplateError as error:
            self._outcome_handler.dead_letter(delivery, NO_URL, str(error))
            return None
        if failure is not None:
            return self._failed(delivery, failure)
        self._outcome_handler.succeeded()
        return None

    def _failed(self, delivery: Delivery, failure: Attempt) -> float | None:
        return self._outcome_handler.failed(delivery, failure, counts=self._outcome_handler.counts(failure))

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
        """Make dead letters of the records that were tried and are past their age."""
        aged = [
            queue
            for queue in self._queues
            if queue.state is QueueState.RUNNABLE and self._outcome_handler.is_past_its_age(queue.head)
        ]
        if aged and not self._stopping:
            self._runners += 1
            self._idle.clear()
            self._tasks.start_soon(self._give_up, aged)

    async def _give_up(self, aged: Sequence[KeyQueue[Delivery]]) -> None:
        try:
            for queue in aged:
                while (
                    not self._stopping
                    and queue.items
                    and self._outcome_handler.is_past_its_age(queue.head)
                    and self._queues.claim(queue)
                ):
                    self._outcome_handler.give_up(queue.head)
                    self._advance(queue, await self._outcome_handler.carry_out(queue.head))
        finally:
            self._runner_ended()
            self._start_runners()


def _wait_behind(delivery: Delivery, more: int) -> None:
    delivery.partition.wait_behind(delivery.share, more)


async def _raise(error: Exception) -> None:
    raise error
