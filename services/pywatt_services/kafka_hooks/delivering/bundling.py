"""A webhook that takes several records in one request."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any

import anyio

from pywatt_kafka.processing.key_queues import KeyQueue
from pywatt_kafka.records import TopicPartition
from pywatt_services.kafka_hooks.consuming.delivery import Delivery
from pywatt_services.kafka_hooks.delivering.webhook import Webhook
from pywatt_services.kafka_hooks.webhooks.attempt import Attempt
from pywatt_services.kafka_hooks.webhooks.bundle import BundleOptions, weight
from pywatt_services.kafka_hooks.webhooks.options import WebhookOptions


class BundlingWebhook(Webhook):
    """The deliveries of an entry with `batch`: `concurrency` counts requests.

    Records that have to stay in order may travel in one request, in their order. When the target does not take one of
    them, those behind it count as not delivered: they come again, after it.
    """

    def __init__(self, options: WebhookOptions, bundle: BundleOptions, **more: Any) -> None:
        """`more`: as for Webhook."""
        super().__init__(options, **more)
        self._bundle = bundle
        self._missing = 0
        """Records for which a runner waits."""
        self._enough = asyncio.Event()

    def hold(self, partition: TopicPartition) -> None:
        """Start nothing of that partition, but what waits for company, until it is released or dropped."""
        super().hold(partition)
        self._enough.set()

    def stop(self) -> None:
        """Start nothing new but what waits for company."""
        super().stop()
        self._enough.set()

    def _start_runner(self) -> None:
        if not self._missing:
            super()._start_runner()
            return
        self._missing -= 1
        if not self._missing:
            self._enough.set()

    def _run_on(self) -> None:
        self._tasks.start_soon(self._run)  # it takes a queue when it runs: by then the company is there

    def _begin(self, queue: KeyQueue[Delivery]) -> bool:
        return False

    def _fail_at_once(self, queue: KeyQueue[Delivery]) -> bool:
        return False  # all of a request fail together

    async def _work(self, queue: KeyQueue[Delivery]) -> None:
        """Make one request of a queue's records and of others."""
        if queue.head.disposition is not None:
            await super()._work(queue)
            return
        queues = [queue]
        parts = self._gather(queues)
        missing = self._bundle.records - sum(map(len, parts))
        if missing > 0 and self._bundle.wait and not self._missing and not self._stopping:
            await self._wait(missing)
            parts = self._gather(queues)
        together = [delivery for part in parts for delivery in part]
        results = await self._caller.deliver_all(together) if together else ()
        counts = self._judge(results)
        outcome = dict(zip(map(id, together), results, strict=True))
        async with asyncio.TaskGroup() as tasks:
            for each, part in zip(queues, parts, strict=True):
                tasks.create_task(self._settle(each, [(d, outcome[id(d)]) for d in part], counts=counts))

    async def _wait(self, missing: int) -> None:
        self._missing = missing
        self._enough.clear()
        with anyio.move_on_after(self._bundle.wait):
            await self._enough.wait()
        self._missing = 0

    def _gather(self, queues: list[KeyQueue[Delivery]]) -> list[list[Delivery]]:
        """Return what of these queues, and of further ones that are added to them, makes a bundle."""
        parts: list[list[Delivery]] = []
        count = size = 0
        for number in range(self._bundle.records):
            if number == len(queues):
                queue = self._queues.take() if count < self._bundle.records and size < self._bundle.size else None
                if queue is None:
                    break
                queues.append(queue)
            part: list[Delivery] = []
            for delivery in queues[number].items:
                if count == self._bundle.records or size >= self._bundle.size:
                    break
                if delivery.disposition is not None or delivery.partition.lost:
                    break
                part.append(delivery)
                count += 1
                size += weight(delivery.message)
            parts.append(part)
        return parts

    def _judge(self, results: Sequence[Attempt | None]) -> bool:
        """Report the outcome of a request to the breaker; return whether failures count as attempts."""
        if None in results:
            self._outcome_handler.succeeded()
            return True
        first = results[0] if results else None
        return first is None or self._outcome_handler.counts(first)

    async def _settle(
        self, queue: KeyQueue[Delivery], part: Sequence[tuple[Delivery, Attempt | None]], *, counts: bool
    ) -> None:
        """Do what follows for the records of one queue, in their order."""
        for delivery, attempt in part:
            wait: float | None = None
            if attempt is not None:
                wait = self._outcome_handler.failed(delivery, attempt, counts=counts)
                if wait is None:
                    wait = await self._outcome_handler.carry_out(delivery)
            if delivery.partition.lost:
                break
            if wait is not None:
                self._park(queue, wait)
                return
            self._queues.advance(queue)
            delivery.finish()
        if queue.items and queue.head.partition.lost:
            self._queues.advance(queue)  # a dropped queue has kept its head only, and what came after
        self._queues.rest(queue)
